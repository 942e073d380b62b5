"""Tokenise for an encoder: ids for its graph, exact character spans, the share of unknown words."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, ModelNotFound
from trivium.types import Span

_PIECE = 8_000
# A text may be cut for tokenising before white space or before a Chinese character or mark, since no word
# of the tokenizers in use crosses such a place.
_CUT = re.compile(r"[\s\u3000-\u3029\u4e00-\u9fff\uff00-\uff0f]")
_UNKNOWN = ("[UNK]", "<unk>")
_MOST_KEPT = 4_096
"""Short texts whose ids wait to be encoded: as many as stand between cutting and embedding."""


class EncoderTokenizer:
    """A model folder's tokenizer.json. Safe to call from several threads.

    Args:
        folder: the model folder.
        max_tokens: the length at which `encode` cuts, special tokens included.
        lower_case: the model wants its texts in lower case and its tokenizer does not see to it.

    Raises:
        ModelNotFound: there is no tokenizer.json.
        ModelError: it cannot be read.
    """

    def __init__(self, folder: Path, max_tokens: int, *, lower_case: bool = False) -> None:
        self._folder, self._max_tokens, self._lower_case = folder, max_tokens, lower_case
        self._kept: dict[str, array[int]] = {}
        _path(folder)

    # Three tokenizers for three ways of cutting, since the library keeps the way inside the tokenizer. Each
    # is loaded at its first use, to keep the start short.

    @cached_property
    def _limited(self) -> Any:
        tokenizer = _load(self._folder)
        tokenizer.enable_truncation(self._max_tokens)
        return tokenizer

    @cached_property
    def _pairs(self) -> Any:
        tokenizer = _load(self._folder)
        tokenizer.enable_truncation(self._max_tokens, strategy="only_second")
        return tokenizer

    @cached_property
    def _whole(self) -> Any:
        tokenizer = _load(self._folder)
        tokenizer.no_truncation()
        return tokenizer

    def encode(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Return the ids of each text with special tokens, and how many texts were cut.

        A short text whose spans were asked for before, to cut it, is not tokenised again.
        """
        kept = [self._kept.pop(text, None) for text in texts]
        pairs = zip(texts, kept, strict=True)
        rows = self._limited.encode_batch_fast([self._prepared(text) for text, ids in pairs if ids is None])
        fresh = iter(rows)
        first, last = self._frame
        whole = [next(fresh).ids if ids is None else [*first, *ids, *last] for ids in kept]
        return whole, sum(bool(row.overflowing) for row in rows)

    def inner(self, ids: Sequence[int]) -> slice:
        """Return where a text's own tokens stand among its ids, without the special ones around them."""
        first, last = self._frame
        return slice(len(first), len(ids) - len(last))

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after a text."""
        inner = self._limited.encode("a", add_special_tokens=False).ids
        whole = self._limited.encode("a").ids
        start = whole.index(inner[0])
        return whole[:start], whole[start + len(inner) :]

    def _keep(self, text: str, ids: Sequence[int]) -> None:
        """Hold the ids of a text that may be encoded next, if it is neither cut nor changed for that."""
        if self._lower_case or len(ids) + sum(map(len, self._frame)) > self._max_tokens:
            return
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[text] = array("l", ids)

    def encode_pairs(self, question: str, passages: Sequence[str]) -> tuple[list[list[int]], list[list[int]], int]:
        """Return the ids and the token types of each (question, passage), and how many passages were cut.

        A passage is cut to the room that the question leaves; a question is cut only above half the limit.
        """
        question = self._prepared(question)
        room = self._max_tokens // 2
        if len(question) > room and len(spans := self.spans(question)) > room:
            question = question[: spans[room - 1][1]]
        pairs = [(question, self._prepared(passage)) for passage in passages]
        encodings = self._pairs.encode_batch_fast(pairs)
        cut = sum(bool(row.overflowing) for row in encodings)
        return [row.ids for row in encodings], [row.type_ids for row in encodings], cut

    def _prepared(self, text: str) -> str:
        return _clean(text.lower() if self._lower_case else text)

    def spans(self, text: str) -> list[Span]:
        """Return the character span of each token of `text`, in order, without special tokens or a limit."""
        starts = _pieces(text)
        ends = [*starts[1:], len(text)]
        pieces = [_clean(text[start:end]) for start, end in zip(starts, ends, strict=True)]
        encodings = self._whole.encode_batch(pieces, add_special_tokens=False)
        if len(encodings) == 1:
            self._keep(text, encodings[0].ids)
        return [
            (start + first, start + last)
            for start, encoding in zip(starts, encodings, strict=True)
            for first, last in encoding.offsets
            if last > first
        ]

    def unknown_rate(self, text: str) -> float:
        """Return the share of words with an unknown token; 0.0 for a text without words."""
        # A text of so few characters cannot reach the limit, and the limited tokenizer is loaded already.
        short = len(text) < self._max_tokens - 8
        tokenizer = self._limited if short else self._whole
        unknown_ids = {tokenizer.token_to_id(token) for token in _UNKNOWN}
        encoding = tokenizer.encode(_clean(text), add_special_tokens=False)
        words = set(encoding.word_ids)
        pairs = zip(encoding.ids, encoding.word_ids, strict=True)
        unknown = {word for token, word in pairs if token in unknown_ids}
        return len(unknown) / len(words) if words else 0.0


def _path(folder: Path) -> Path:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelNotFound(f"{folder} has no tokenizer.json.", "Fetch the model again, with its fast tokenizer.")
    return path


def _load(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = _path(folder)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path} cannot be read: {error}.", "Fetch the model again.") from error
    tokenizer.no_padding()
    return tokenizer


def _clean(text: str) -> str:
    """Replace lone surrogates, which are no text, by a mark of the same length."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub(r"[\ud800-\udfff]", "\ufffd", text)
    return text


def _pieces(text: str) -> list[int]:
    """Return where the pieces of a long text start: tokenising is faster on pieces, and runs on all cores."""
    starts = [0]
    while len(text) - starts[-1] > _PIECE:
        cut = _CUT.search(text, starts[-1] + _PIECE)
        if cut is None:
            break
        starts.append(cut.start())
    return starts

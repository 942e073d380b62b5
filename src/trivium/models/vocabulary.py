"""How a model's tokenizer cuts a text: tokens, ids, bytes, and what its vocabulary does not know.

A GGUF file is asked through llama.cpp, a folder's tokenizer.json through the tokenizers library: the same cut as at
run time, without special tokens at the ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, ModelNotFound, UsageError
from trivium.models.chat import EMBEDDED
from trivium.models.gguf import special_tokens
from trivium.models.llama_engine import Engine
from trivium.models.pull import ensure

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_BLANK = "\u2581"
"""SentencePiece's mark for a blank (Kudo and Richardson 2018, arXiv:1808.06226)."""
_UNKNOWN = ("[UNK]", "<unk>", "<|unk|>")


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text.

    Attributes:
        id: its number in the vocabulary.
        text: what the vocabulary writes it as: `##ing`, `Ġthe`; from llama.cpp, its plain text.
        data: the bytes of the text that it stands for; those of an unknown token are the text's own.
        unknown: the vocabulary has no token for this.
        special: a control token, such as `<|im_end|>`.
    """

    id: int
    text: str
    data: bytes
    unknown: bool = False
    special: bool = False

    @property
    def partial(self) -> bool:
        """Whether it is a part of a character: the vocabulary spells that in bytes."""
        try:
            self.data.decode("utf-8")
        except UnicodeDecodeError:
            return True
        return False


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as a model's tokens. `model` is the name of its file or folder."""

    model: str
    text: str
    tokens: tuple[Token, ...]

    @property
    def unknown_rate(self) -> float:
        """The share of unknown tokens, 0 to 1."""
        return sum(token.unknown for token in self.tokens) / max(len(self.tokens), 1)

    @property
    def partial_rate(self) -> float:
        """The share of tokens that are parts of a character, 0 to 1."""
        return sum(token.partial for token in self.tokens) / max(len(self.tokens), 1)

    @property
    def characters_per_token(self) -> float:
        """How many characters a token stands for, on the average."""
        return len(self.text) / max(len(self.tokens), 1)


def cut(text: str, model: str | os.PathLike[str] | None = None) -> Cut:
    """Return a text as the tokens of a model.

    Args:
        text: any text.
        model: the name of an embedded or fetched model, a GGUF file, a folder with a tokenizer.json, or that file;
            None is the embedded chat model.

    Raises:
        ModelNotFound: there is no such model, or it has no tokenizer.json.
        ModelError: its tokenizer cannot be read.
        UsageError: it is an endpoint, which does not show its tokens.
    """
    spec = os.fspath(model) if model is not None else EMBEDDED
    if spec.startswith(("http://", "https://")):
        raise UsageError(f"The endpoint {spec} does not show its tokens.", "Name the model's folder or GGUF file.")
    path = Path(spec).expanduser()
    if not path.exists():
        if path.suffix in (".gguf", ".json"):
            raise ModelNotFound(
                f"There is no file {path}.", "Give a model's folder, its tokenizer.json or a GGUF file."
            )
        path = ensure(spec)
    text = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text
    if path.is_file() and path.suffix == ".gguf":
        return Cut(path.stem, text, tuple(_of_gguf(path, text)))
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ModelNotFound(f"{path} has no tokenizer.json.", "Give a folder with a fast tokenizer, or a GGUF file.")
    return Cut(file.resolve().parent.name, text, tuple(_of_tokenizer(file, text)))


def _of_gguf(path: Path, text: str) -> Iterator[Token]:
    engine = Engine(path, context=64, threads=1, prefix_cache=False)
    try:
        body = {"content": text, "add_special": False, "with_pieces": True}
        pieces: Sequence[Mapping[str, Any]] = engine.ask("/tokenize", body)["tokens"]
    finally:
        engine.close()
    control = set(special_tokens(path))
    for one in pieces:
        piece = one["piece"]
        data = piece.encode("utf-8") if isinstance(piece, str) else bytes(piece)
        shown = data.decode("utf-8", "backslashreplace")
        yield Token(int(one["id"]), shown, data, shown in _UNKNOWN, shown in control)


def _of_tokenizer(file: Path, text: str) -> Iterator[Token]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{file} cannot be read: {error}.", "Fetch the model again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    added = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    unknown = {tokenizer.token_to_id(token) for token in _UNKNOWN} - {None}
    encoding = tokenizer.encode(text, add_special_tokens=False)
    spelt = _byte_level(tokenizer)
    for id, piece, (start, end) in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
        missing = id in unknown
        special = id in added and not missing
        data = _data(piece, spelt) if not special else piece.encode("utf-8")
        if missing or (not spelt and not _BYTE.fullmatch(piece)):
            data = text[start:end].encode("utf-8")  # with its own accents and letter case
        yield Token(id, piece, data, missing, special)


def _byte_level(tokenizer: Any) -> bool:
    """Whether the vocabulary spells bytes as letters, as GPT-2's does (Radford et al. 2019)."""
    return "ByteLevel" in f"{tokenizer.decoder!r} {tokenizer.pre_tokenizer!r}"


def _data(piece: str, spelt: bool) -> bytes:
    """Return the bytes that a token's spelling stands for."""
    if match := _BYTE.fullmatch(piece):
        return bytes([int(match[1], 16)])
    if not spelt:
        return piece.replace(_BLANK, " ").encode("utf-8")
    letters = _letters()
    return b"".join(bytes([letters[c]]) if c in letters else c.encode("utf-8") for c in piece)


@cache
def _letters() -> Mapping[str, int]:
    """Return the byte of each letter of a byte-level vocabulary: printable bytes are themselves, others come after."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(256 + place): byte for place, byte in enumerate(others)},
    }

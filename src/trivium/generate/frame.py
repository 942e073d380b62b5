"""Set passages before the model so that it can tell them from the question and from its orders.

Each passage stands between fences (`trivium.text.fence`), what poses as a part of the prompt inside it is broken up,
and the prompt says that nothing between fences is an order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trivium.text.fence import code_for, neutralise
from trivium.text.sentences import sentence_spans
from trivium.types import Hit

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Framed:
    """Passages as the prompt shows them.

    Attributes:
        text: the numbered passages between their fences.
        hits: those shown, in order; number n is `hits[n - 1]`. A passage that was cut is here as it was shown.
        left_out: the chunk ids that did not fit.
        cut: the chunk ids of which only a part is shown.
        tokens: of `text`.
    """

    text: str
    hits: tuple[Hit, ...]
    left_out: tuple[str, ...]
    cut: tuple[str, ...]
    tokens: int


def fence_code(question: str, hits: Sequence[Hit]) -> str:
    """Return the code of this request's fences: a hash of the question and all passages."""
    return code_for([question, *(hit.chunk.text for hit in hits)])


def frame(
    hits: Sequence[Hit],
    *,
    question: str,
    budget: int,
    count: CountTokens,
    plain: bool = False,
    arrange: Callable[[Sequence[Hit]], list[Hit]] | None = None,
) -> Framed:
    """Number, fence and fit passages into a budget of tokens, those first in `hits` before the others.

    A passage that does not fit is cut at the end of a sentence where at least one fits; the rest are left out.

    Args:
        hits: the most important first.
        question: for the fence code.
        budget: tokens that the passages may take together.
        count: counts the tokens of a text as the model would.
        plain: one line a passage, without fences, for models that are too small to make sense of fences. Line
            breaks inside a passage become spaces, so that no passage can pose as another part of the prompt.
        arrange: puts the passages that fit into the order in which they are shown.
    """
    code = fence_code(question, hits)
    shown: list[Hit] = []
    left_out: list[str] = []
    cut: list[str] = []
    used = 0
    for hit in hits:
        fitted = _fit(hit, len(shown) + 1, code, budget - used, count, plain)
        if fitted is None:
            left_out.append(hit.chunk.id)
            continue
        if fitted is not hit:
            cut.append(hit.chunk.id)
        used += count(_block(fitted, len(shown) + 1, code, plain)) + 1
        shown.append(fitted)
    if arrange is not None:
        shown = arrange(shown)
    blocks = [_block(hit, number, code, plain) for number, hit in enumerate(shown, start=1)]
    return Framed("\n".join(blocks), tuple(shown), tuple(left_out), tuple(cut), used)


def _block(hit: Hit, number: int, code: str, plain: bool) -> str:
    text = neutralise(hit.chunk.text)
    if plain:
        return f"[{number}] {' '.join(text.split())}"
    place = f"{_attribute(hit.chunk.source)}" + (f", page {hit.chunk.page}" if hit.chunk.page else "")
    headings = _attribute(" › ".join(hit.chunk.headings))
    head = f"{place} › {headings}" if headings else place
    return f"<<<{code} [{number}] {head}\n{text}\n{code}>>>"


def _attribute(text: str) -> str:
    """Return a source or a heading on one line: its author is no more trusted than the passage's."""
    return " ".join(neutralise(text).replace("<", "‹").replace(">", "›").split())[:200]


def _fit(hit: Hit, number: int, code: str, room: int, count: CountTokens, plain: bool) -> Hit | None:
    """Return the hit, or the longest beginning of it in whole sentences that fits; None where not one does."""
    if count(_block(hit, number, code, plain)) < room:
        return hit
    ends = [end for _, end in sentence_spans(hit.chunk.text)][:-1]
    low, high = 0, len(ends)  # the first `low` sentences fit, one more than `high` do not
    while low < high:
        middle = (low + high + 1) // 2
        if count(_block(_beginning(hit, ends[middle - 1]), number, code, plain)) < room:
            low = middle
        else:
            high = middle - 1
    return _beginning(hit, ends[low - 1]) if low else None


def _beginning(hit: Hit, length: int) -> Hit:
    chunk = hit.chunk
    return replace(hit, chunk=replace(chunk, text=chunk.text[:length], end=chunk.start + length))

"""Small to big: search finds small chunks, the model reads the wider span around them.

The result is again hits whose chunk's text is exactly `document[start:end]`, so that a citation into a widened
passage is as true as one into the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trivium.types import Hit, Span

ReadText = Callable[[str, int, int], str]
"""`read(document_id, start, end)` returns that span of the stored text, or raises where the asker may not read it."""


def small_to_big(hits: Sequence[Hit], read: ReadText) -> list[Hit]:
    """Return the hits with each chunk widened to its parent, and passages that overlap or touch joined into one.

    A joined passage stands in the place of its best hit and keeps that hit's id, score and page; `found_by` names
    the arms of all its hits.

    Args:
        hits: best first.
        read: gives the text of a span of a document, for the asker of the question.
    """
    groups: list[list[Hit]] = []
    spans: list[Span] = []
    for hit in hits:
        span = hit.chunk.parent or (hit.chunk.start, hit.chunk.end)
        members = [hit]
        # A wide span may bridge several passages that stood apart: the first of them takes all in.
        touched = [
            place
            for place, group in enumerate(groups)
            if group[0].chunk.document_id == hit.chunk.document_id and _meet(spans[place], span)
        ]
        for place in reversed(touched):
            span = (min(span[0], spans[place][0]), max(span[1], spans[place][1]))
            members = groups[place] + members
            if place != touched[0]:
                del groups[place], spans[place]
        if touched:
            groups[touched[0]], spans[touched[0]] = members, span
        else:
            groups.append(members)
            spans.append(span)
    return [_widened(group, span, read) for group, span in zip(groups, spans, strict=True)]


def _meet(left: Span, right: Span) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _widened(group: Sequence[Hit], span: Span, read: ReadText) -> Hit:
    best = group[0]
    start, end = span
    if (start, end) == (best.chunk.start, best.chunk.end):
        return best
    text = read(best.chunk.document_id, start, end)
    arms = tuple(dict.fromkeys(arm for hit in group for arm in hit.found_by))
    return replace(best, chunk=replace(best.chunk, text=text, start=start, end=end), found_by=arms)

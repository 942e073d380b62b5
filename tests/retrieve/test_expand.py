from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trivium.retrieve.expand import small_to_big
from trivium.types import Chunk, Hit, Span

TEXT = "".join(f"Sentence number {n} of the document. " for n in range(40))


def read(document_id: str, start: int, end: int) -> str:
    return TEXT[start:end]


def hit(n: int, start: int, end: int, parent: Span | None = None, document: str = "d", arm: str = "dense") -> Hit:
    chunk = Chunk(f"{document}:{n}", document, document, TEXT[start:end], start, end, parent=parent)
    return Hit(chunk, 1.0 - n / 100, (arm,), {arm: 1.0})


def test_a_chunk_becomes_its_parent() -> None:
    [wide] = small_to_big([hit(0, 40, 60, parent=(20, 100))], read)
    assert (wide.chunk.start, wide.chunk.end, wide.chunk.text) == (20, 100, TEXT[20:100])
    assert wide.chunk.id == "d:0"


def test_a_chunk_without_parent_is_left_alone() -> None:
    one = hit(0, 40, 60)
    assert small_to_big([one], read) == [one]


def test_overlapping_neighbours_become_one_at_the_place_of_the_best() -> None:
    hits = [hit(0, 100, 160), hit(1, 500, 560), hit(2, 140, 200, arm="lexical")]
    joined = small_to_big(hits, read)
    assert [(h.chunk.start, h.chunk.end) for h in joined] == [(100, 200), (500, 560)]
    assert joined[0].chunk.text == TEXT[100:200]
    assert joined[0].found_by == ("dense", "lexical")
    assert joined[0].score == hits[0].score


def test_a_bridge_joins_what_stood_apart() -> None:
    joined = small_to_big([hit(0, 0, 50), hit(1, 90, 150), hit(2, 40, 100)], read)
    assert [(h.chunk.start, h.chunk.end) for h in joined] == [(0, 150)]


def test_documents_never_mix() -> None:
    joined = small_to_big([hit(0, 0, 50), hit(1, 20, 90, document="e")], read)
    assert [h.chunk.document_id for h in joined] == ["d", "e"]


SPANS = st.tuples(st.integers(0, 1000), st.integers(1, 200)).map(lambda p: (p[0], min(p[0] + p[1], len(TEXT))))


@given(st.lists(st.tuples(SPANS, st.one_of(st.none(), SPANS), st.sampled_from("de")), max_size=12))
def test_spans_stay_exact_apart_and_cover_everything(found: list[tuple[Span, Span | None, str]]) -> None:
    hits = []
    for n, ((start, end), parent, document) in enumerate(found):
        around = None if parent is None else (min(start, parent[0]), max(end, parent[1]))
        hits.append(hit(n, start, end, around, document))
    joined = small_to_big(hits, read)
    for one in joined:
        assert one.chunk.text == TEXT[one.chunk.start : one.chunk.end]
    for one in hits:
        span = one.chunk.parent or (one.chunk.start, one.chunk.end)
        assert any(
            j.chunk.document_id == one.chunk.document_id and j.chunk.start <= span[0] and span[1] <= j.chunk.end
            for j in joined
        )
    for place, left in enumerate(joined):
        for right in joined[place + 1 :]:
            if left.chunk.document_id == right.chunk.document_id:
                assert left.chunk.end < right.chunk.start or right.chunk.end < left.chunk.start

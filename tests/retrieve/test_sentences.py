from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.models.fake import FakeEmbedder
from trivium.retrieve.sentences import best_sentences, narrowed
from trivium.types import Chunk, Hit

PASSAGE = (
    "# Warranty\n\nThe printer is made in Norway. It lasts 24 months from the day of purchase. "
    "Parts that wear are excluded.\n\n## Delivery\n\nWithin the country it takes three days."
)


def hit(text: str, start: int = 0, id: str = "c", **fields: object) -> Hit:
    chunk = Chunk(id, "d", "s", text, start, start + len(text), **fields)  # type: ignore[arg-type]
    return Hit(chunk, 1.0, ("dense",), {"dense": 0.5})


def test_the_heading_and_the_neighbours_lend_their_words() -> None:
    best = best_sentences("How long is the warranty from purchase?", [hit(PASSAGE)])[0]
    assert best.chunk.text == "It lasts 24 months from the day of purchase."
    assert best.scores["kind"] == 1.0
    assert best.scores["dense"] == 0.5


def test_a_heading_is_never_the_answer() -> None:
    found = best_sentences("What is the warranty?", [hit(PASSAGE), hit("```bash\nmake demo\n```\n***", id="e")])
    texts = [h.chunk.text for h in found]
    assert not any(text.startswith(("#", "`", "*")) for text in texts)
    assert "make demo" in " ".join(texts)


def test_the_heading_path_of_a_chunk_counts_too() -> None:
    hits = [hit("It takes three days.", id="a"), hit("It takes four days.", id="b", headings=("Delivery",))]
    assert best_sentences("How long is delivery?", hits)[0].chunk.id == "b"


def test_an_embedder_breaks_ties_of_words() -> None:
    hits = [hit("Cats like fish a lot. The shop opens at nine.")]
    embedder = FakeEmbedder()
    best = best_sentences("opens the shop when", hits, embedder=embedder)[0]
    assert best.chunk.text == "The shop opens at nine."
    assert best.scores["meaning"] > 0
    assert embedder.calls == 2


def test_nothing_from_nothing() -> None:
    assert best_sentences("q", []) == []
    assert best_sentences("q", [hit("# Only a heading")]) == []


@given(st.lists(st.text(max_size=80), max_size=4), st.integers(0, 1000))
def test_every_span_is_exact(texts: list[str], start: int) -> None:
    hits = [hit(text, start * place, id=str(place)) for place, text in enumerate(texts)]
    by_id = {h.chunk.id: h.chunk for h in hits}
    for found in best_sentences("some question 问题", hits):
        whole = by_id[found.chunk.id]
        offset = found.chunk.start - whole.start
        assert whole.text[offset : offset + len(found.chunk.text)] == found.chunk.text
        assert found.chunk.end - found.chunk.start == len(found.chunk.text) > 0


def test_narrowing_keeps_offsets_into_the_document() -> None:
    part = narrowed(hit("0123456789", 100), (3, 6))
    assert (part.chunk.text, part.chunk.start, part.chunk.end) == ("345", 103, 106)


def test_real_questions_find_their_sentence(shared_data: Path) -> None:
    import json

    from trivium.text.normalise import normalise

    def share(file: str) -> float:
        paragraphs = [p for a in json.loads((shared_data / file).read_text())["data"] for p in a["paragraphs"]]
        pairs = [(p["context"], q) for p in paragraphs for q in p["qas"] if q["answers"]][::5]
        held = 0
        for context, item in pairs:
            best = best_sentences(item["question"], [hit(context)])[0].chunk.text
            held += any(normalise(answer["text"]) in normalise(best) for answer in item["answers"])
        return held / len(pairs)

    assert share("xquad/xquad.en.json") > 0.75
    assert share("xquad/xquad.zh.json") > 0.75


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many villages are there?", "number"),
        ("In which year did it begin?", "time"),
        ("Who wrote it?", "person or place"),
        ("有多少个村庄？", "number"),
        ("它是什么时候建立的？", "time"),
        ("Why does it rain?", None),
        ("为什么下雨？", None),
    ],
)
def test_kinds(question: str, kind: str | None) -> None:
    from trivium.text.kinds import kind_asked

    found = kind_asked(question)
    assert (found.name if found else None) == kind

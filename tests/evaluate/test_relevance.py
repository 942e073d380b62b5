from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.evaluate.relevance import holds_answer, overlaps, relevant, same_source
from trivium.types import Chunk, Gold, Hit

EVIDENCE = "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy."


def hit(text: str, source: str = "a.md") -> Hit:
    return Hit(Chunk(text[:8], "d", source, text, 0, len(text)), 1.0, ("dense",))


def test_a_hit_holds_what_it_contains_and_what_contains_it() -> None:
    around = f"Some words before.\n{EVIDENCE} And some after, about ships."
    inside = "who in the 10th and 11th centuries gave their name to Normandy"
    assert relevant([hit(around), hit(EVIDENCE), hit(inside)], [Gold("a.md", EVIDENCE)]) == [{0}] * 3


def test_form_does_not_matter() -> None:
    written = "THE NORMANS were the people, who (in the 10th and 11th\ncenturies) gave their name to “Normandy”"
    assert overlaps(written, EVIDENCE)
    assert overlaps("合同期限为３年，自2024年1月起。", "合同期限为3年，自 2024 年 1 月起")


def test_half_of_it_is_enough_and_less_is_not() -> None:
    words = EVIDENCE.split()
    assert overlaps(" ".join(["Elsewhere it says that", *words[:9]]), EVIDENCE)
    assert not overlaps(" ".join(["Elsewhere it says that", *words[:5], "and many more things besides"]), EVIDENCE)


def test_common_words_prove_nothing() -> None:
    assert not overlaps("It was in the year that the people who were in the name of it gave the", EVIDENCE)
    assert not overlaps("It was released in the spring, and the film was in the cinema.", "It was in the city in 1874.")


def test_a_heading_does_not_hold_the_passage_around_it() -> None:
    assert not overlaps("The Normans", EVIDENCE)
    assert overlaps("Normandy", "Normandy")


def test_sources_must_agree() -> None:
    hits = [hit(EVIDENCE, "a.md"), hit(EVIDENCE, "b.md")]
    assert relevant(hits, [Gold("a.md", EVIDENCE), Gold("", EVIDENCE)]) == [{0, 1}, {1}]
    assert relevant(hits, [Gold("b.md", "")]) == [frozenset(), {0}]
    assert relevant(hits, [Gold("", " ")]) == [frozenset(), frozenset()]
    assert relevant([], [Gold("a.md", EVIDENCE)]) == []


@pytest.mark.parametrize(
    ("source", "gold", "same"),
    [
        ("docs/2022/adobe.pdf", "adobe.pdf", True),
        ("docs/2022/adobe.pdf", "2022/adobe.pdf", True),
        ("docs/2022/adobe.pdf", "adobe", True),
        ("adobe", "docs/2022/adobe.pdf", True),
        ("docs\\2022\\adobe.pdf", "2022/adobe.pdf", True),
        ("docs/2022/adobe.pdf", "obe.pdf", False),
        ("docs/adobe.pdf", "docs/adobe.html", False),
        ("AC/DC", "DC", False),
        ("squad/Normans/3", "3", False),
        ("Normans", "Normans", True),
    ],
)
def test_same_source(source: str, gold: str, same: bool) -> None:
    assert same_source(source, gold) == same_source(gold, source) == same


def test_holds_answer() -> None:
    assert holds_answer("It costs 1,200 euros.", ["900", "1200"])
    assert not holds_answer("It costs 1,200 euros.", ["200", ""])
    assert not holds_answer("", ["x"])
    assert not holds_answer("x", [])


def test_real_passages_hold_their_own_evidence_and_no_other(shared_data: Path) -> None:
    """Every SQuAD paragraph, cut in two at a sentence, against the sentence that holds the answer."""
    held = missed = false = 0
    for article in json.loads((shared_data / "squad" / "test-v1.1.json").read_text("utf-8"))["data"][:8]:
        halves = []
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            middle = text.find(". ", len(text) // 2) + 1 or len(text)
            halves.append((text[:middle], text[middle:], paragraph))
        for number, (first, second, paragraph) in enumerate(halves):
            for qa in paragraph["qas"][:2]:
                at = qa["answers"][0]["answer_start"]
                text = paragraph["context"]
                start = text.rfind(". ", 0, at) + 1
                sentence = text[start : text.find(". ", at) + 1 or None]
                mine, other = (first, second) if at < len(first) else (second, first)
                if sentence.strip() not in mine:
                    continue
                gold = Gold("p", sentence)
                held += relevant([hit(mine, "p")], [gold]) == [{0}]
                missed += relevant([hit(mine, "p")], [gold]) == [frozenset()]
                false += relevant([hit(other, "p")], [gold]) == [{0}] if other else 0
                stranger = halves[(number + 1) % len(halves)][0]
                false += relevant([hit(stranger, "p")], [gold]) == [{0}]
    assert held > 300
    assert missed == 0
    assert false <= 0.01 * held


@given(text=st.text(max_size=60))
def test_any_text_holds_itself(text: str) -> None:
    assert overlaps(text, text) == bool(text.strip())


def test_long_texts_take_no_square_time() -> None:
    start = time.perf_counter()
    assert not holds_answer("a" * 500_000, ["a" * 200_000])
    assert not overlaps("word " * 100_000, "the other thing " * 30_000)
    assert overlaps("一二" * 100_000, "一二" * 50_000)
    assert time.perf_counter() - start < 3.0

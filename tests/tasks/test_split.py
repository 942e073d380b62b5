from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import UsageError
from trivium.tasks.leak import same
from trivium.tasks.split import components, documents_of, metadata_of, split
from trivium.types import Example, Gold

SHARES = {"train": 0.8, "test": 0.2}


def example(number: int, *sources: str, question: str = "") -> Example:
    return Example(f"q{number}", question or f"Question {number}?", evidence=tuple(Gold(s, "text") for s in sources))


@pytest.fixture(scope="session")
def squad(shared_data: Path) -> list[Example]:
    """SQuAD 2.0: the article of each question in its metadata, its paragraph as the source."""
    articles = json.loads((shared_data / "squad/dev-v2.0.json").read_text("utf-8"))["data"]
    rows = []
    for article in articles:
        for number, paragraph in enumerate(article["paragraphs"]):
            source = f"squad/{article['title']}/{number}"
            for qa in paragraph["qas"]:
                evidence = () if qa["is_impossible"] else (Gold(source, paragraph["context"]),)
                about = {"title": article["title"], "document": source}
                rows.append(Example(qa["id"], qa["question"], evidence=evidence, metadata=about))
    return rows


def test_no_document_is_on_both_sides(squad: list[Example]) -> None:
    done = split(squad, {"train": 0.7, "dev": 0.1, "test": 0.2})
    assert sum(map(len, done.parts.values())) == len(squad)
    seen: dict[str, str] = {}
    for name, rows in done.parts.items():
        for row in rows:
            for source in documents_of(row):
                assert seen.setdefault(source, name) == name
            assert seen.setdefault(f"? {same(row.question)}", name) == name
    assert done.unsourced == 0
    for size in done.sizes.values():
        assert size.share == pytest.approx(size.wanted, abs=0.01)


def test_articles_stay_whole_where_asked(squad: list[Example]) -> None:
    done = split(squad, SHARES, by=metadata_of("title"))
    titles = [{row.metadata["title"] for row in rows} for rows in done.parts.values()]
    assert not titles[0] & titles[1]
    assert done.sizes["test"].documents == len(titles[1])
    assert 0.1 < done.sizes["test"].share < 0.3


def test_the_order_of_the_rows_does_not_matter(squad: list[Example]) -> None:
    shuffled = random.Random(3).sample(squad, len(squad))
    for stable in (False, True):
        one, other = (split(rows, SHARES, seed=7, stable=stable).parts["test"] for rows in (squad, shuffled))
        assert {row.id for row in one} == {row.id for row in other}


def test_the_seed_decides(squad: list[Example]) -> None:
    one, again, other = ({row.id for row in split(squad, SHARES, seed=s).parts["test"]} for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_parts_are_known_by_number() -> None:
    """The hash is written down here: another machine or version must not deal differently."""
    rows = [example(number, f"doc{number}") for number in range(10)]
    assert [row.id for row in split(rows, SHARES).parts["test"]] == ["q2", "q9"]


def test_stable_parts_survive_growth(squad: list[Example]) -> None:
    half = split(squad[: len(squad) // 2], SHARES, stable=True)
    whole = split(squad, SHARES, stable=True)
    kept = {row.id for row in whole.parts["test"]}
    moved = [row for row in half.parts["test"] if row.id not in kept]
    assert half.parts["test"]
    assert len(moved) <= 2  # a question asked again of another paragraph joins two components


def test_questions_with_several_documents_hang_together() -> None:
    rows = [example(1, "a", "b"), example(2, "c"), example(3, "b", "d"), example(4, "d"), example(5, "e", "c")]
    assert components([documents_of(row) for row in rows], [row.question for row in rows]) == [[0, 2, 3], [1, 4]]
    done = split(rows, {"a": 0.5, "b": 0.5})
    assert sorted([row.id for row in part] for part in done.parts.values()) == [["q1", "q3", "q4"], ["q2", "q5"]]
    assert done.components == 2
    assert done.largest == 0.6


def test_the_same_question_stays_on_one_side() -> None:
    rows = [example(1, "a", question="Who?"), example(2, "b", question="who ?"), example(3, "c"), example(4, "d")]
    done = split(rows, SHARES)
    assert done.components == 3
    assert done.repeated == 1


def test_questions_without_documents_stand_alone_and_are_counted() -> None:
    done = split([example(number) for number in range(50)], SHARES)
    assert done.unsourced == 50
    assert len(done.parts["test"]) == 10


def test_no_part_is_empty_where_there_are_documents_enough() -> None:
    rows = [example(number, "large") for number in range(50)] + [example(51, "small")]
    assert len(split(rows, SHARES).parts["test"]) == 1
    two = split([example(number, "ab"[number % 2]) for number in range(20)], SHARES)
    assert all(two.parts.values())
    assert split(rows[:50], SHARES).sizes["test"].questions == 0  # one document cannot be in two parts


def test_an_empty_set_has_empty_parts() -> None:
    done = split([], SHARES)
    assert dict(done.parts) == {"train": (), "test": ()}
    assert done.largest == 0.0


@pytest.mark.parametrize("shares", [{}, {"train": 0.0}, {"train": 1.0, "test": -0.1}])
def test_wrong_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="share above 0"):
        split([], shares)


def test_shares_are_scaled() -> None:
    rows = [example(number, f"doc{number}") for number in range(100)]
    assert len(split(rows, {"train": 4, "test": 1}).parts["test"]) == 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=40), st.integers(0, 5), st.booleans())
def test_whatever_the_graph_nothing_is_lost_or_shared(graph: list[list[int]], seed: int, stable: bool) -> None:
    rows = [example(number, *(f"d{source}" for source in sources)) for number, sources in enumerate(graph)]
    done = split(rows, {"train": 0.6, "dev": 0.2, "test": 0.2}, seed=seed, stable=stable)
    placed = [row.id for part in done.parts.values() for row in part]
    assert sorted(placed) == sorted(row.id for row in rows)
    sources = [{s for row in part for s in documents_of(row)} for part in done.parts.values()]
    assert sum(map(len, sources)) == len(set().union(*sources))

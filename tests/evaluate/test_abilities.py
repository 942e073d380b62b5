"""Readers that behave in one known way get the figures that they must, on RGB's own files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.evaluate.abilities_data import asking, careful, credulous, detective, falsehood, first_only, reader_of, truth

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.abilities import measure, planned
from trivium.evaluate.abilities.cases import read_cases, sampled
from trivium.evaluate.abilities.check import says_all
from trivium.evaluate.abilities.counterfactual import counterfactual_robustness
from trivium.evaluate.abilities.position import position_sensitivity, with_noise
from trivium.evaluate.abilities.rgb import information_integration, negative_rejection, noise_robustness
from trivium.evaluate.abilities.values import Case, CaseSet, Measured
from trivium.types import Score

Figures = dict[tuple[str, float | None, str], Score]


def figures(measured: list[Measured]) -> Figures:
    found = {(one.metric, one.at, one.arm): one.score for one in measured}
    assert len(found) == len(measured)
    return found


def rgb(shared_data: Path, name: str) -> CaseSet:
    path = shared_data / "rgb" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return sampled(read_cases(path), 60)


def test_noise_does_not_move_a_careful_reader(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "zh_refine")
    found = figures(noise_robustness(cases, asking(tmp_path, reader_of(cases, careful))))
    assert [at for metric, at, _ in found if metric == "accuracy"] == [0.0, 0.2, 0.4, 0.6, 0.8]
    for ratio in (0.0, 0.2, 0.4, 0.6, 0.8):
        assert found["noise", ratio, ""].mean == pytest.approx(ratio, abs=0.01)
        assert found["accuracy", ratio, ""].n == len(cases.cases)
    first, last = found["accuracy", 0.0, ""], found["accuracy", 0.8, ""]
    assert first.mean > 0.9
    assert found["drop", None, ""].mean == pytest.approx(first.mean - last.mean)


def test_a_reader_of_one_passage_falls_with_the_noise(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "zh_refine")
    found = figures(noise_robustness(cases, asking(tmp_path, reader_of(cases, first_only))))
    curve = [found["accuracy", ratio, ""].mean for ratio in (0.0, 0.2, 0.4, 0.6, 0.8)]
    assert curve == sorted(curve, reverse=True)
    assert curve[0] - curve[-1] > 0.3
    assert found["drop", None, ""].low > 0.2


def test_rejection_counts_refusals_and_no_right_answers(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "zh_refine")
    silent = figures(negative_rejection(cases, asking(tmp_path / "a", reader_of(cases, lambda *_: ""))))
    assert silent["rejection", None, ""].mean == 1.0
    assert silent["accuracy", None, ""].mean == 0.0
    knowing = figures(negative_rejection(cases, asking(tmp_path / "b", reader_of(cases, lambda case, _: truth(case)))))
    assert knowing["rejection", None, ""].mean == 0.0
    assert knowing["accuracy", None, ""].mean == 1.0


def test_rejection_shows_nothing_but_noise(shared_data: Path, tmp_path: Path) -> None:
    for name in ("zh_refine", "en_fact"):
        cases, seen = rgb(shared_data, name), []

        def watch(case: Case, passages: tuple[str, ...], seen: list[bool] = seen) -> str:
            seen.append(set(passages) <= set(case.negative) and 0 < len(passages) <= 5)
            return "x"

        negative_rejection(cases, asking(tmp_path / name, reader_of(cases, watch)))  # type: ignore[arg-type]
        assert seen
        assert all(seen)


def test_integration_needs_every_part(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "zh_int")
    whole = figures(information_integration(cases, asking(tmp_path / "a", reader_of(cases, lambda c, _: truth(c)))))
    assert [at for metric, at, _ in whole if metric == "accuracy"] == [0.0, 0.2, 0.4]
    assert whole["accuracy", 0.4, ""].mean == whole["parts", 0.4, ""].mean == 1.0
    part = figures(
        information_integration(cases, asking(tmp_path / "b", reader_of(cases, lambda case, _: case.parts[0][0])))
    )
    assert part["accuracy", 0.0, ""].mean < 0.1
    assert 0.2 < part["parts", 0.0, ""].mean < 0.6


def test_a_credulous_reader_is_misled_every_time(shared_data: Path, tmp_path: Path) -> None:
    for name in ("en_fact", "zh_fact"):
        cases = rgb(shared_data, name)
        found = figures(counterfactual_robustness(cases, asking(tmp_path / name, reader_of(cases, credulous))))
        assert found["accuracy", None, "none"].mean == found["accuracy", None, "true"].mean == 1.0
        assert found["accuracy", None, "false"].mean < 0.1  # `70` stands in `170`, by the benchmark's rule
        assert found["followed", None, "false"].mean == 1.0
        assert found["r_rate", None, "false"].mean > 0.95
        assert found["followed", None, "none"].mean < 0.1
        assert found["misleading", None, "false"].mean > 0.95
        assert found["persistence", None, "false"].mean < 0.05
        assert found["detection", None, "false"].mean == 0.0
        assert found["correction", None, "false"].n == 0
        assert math.isnan(found["correction", None, "false"].mean)


def test_a_detective_is_not(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "en_fact")
    found = figures(counterfactual_robustness(cases, asking(tmp_path, reader_of(cases, detective))))
    assert found["accuracy", None, "false"].mean == 1.0
    assert found["detection", None, "false"].mean == found["correction", None, "false"].mean == 1.0
    assert found["misleading", None, "false"].mean == 0.0
    assert found["persistence", None, "false"].mean > 0.95


def test_the_misleading_rate_is_of_those_right_alone(tmp_path: Path) -> None:
    cases = CaseSet("made", tuple(_conflict(n) for n in range(10)))

    def half(case: Case, passages: tuple[str, ...]) -> str:
        number = int(case.id)
        if not passages:
            return truth(case) if number < 6 else "no idea"  # 6 are known
        return falsehood(case) if number in (0, 1, 8) else truth(case)  # 2 of them are lost

    found = figures(counterfactual_robustness(cases, asking(tmp_path, reader_of(cases, half))))  # type: ignore[arg-type]
    assert (found["misleading", None, "false"].mean, found["misleading", None, "false"].n) == (pytest.approx(2 / 6), 6)
    assert found["followed", None, "false"].mean == pytest.approx(0.3)
    assert found["persistence", None, "false"].mean == pytest.approx(0.7)
    assert ("accuracy", None, "true") not in found


def test_what_is_not_known_is_not_scored(tmp_path: Path) -> None:
    cases = CaseSet("made", (Case("0", "Who?", (), "en", "conflict", wrong=("It was Bob.",), false=(("Bob",),)),))
    found = figures(counterfactual_robustness(cases, asking(tmp_path, reader_of(cases, lambda *_: "Bob"))))
    assert found["accuracy", None, "false"].n == found["misleading", None, "false"].n == 0
    assert found["followed", None, "false"].mean == found["r_rate", None, "false"].mean == 1.0


def test_the_answer_moves_through_the_places(shared_data: Path, tmp_path: Path) -> None:
    cases = rgb(shared_data, "zh_refine")
    found = figures(position_sensitivity(cases, asking(tmp_path, reader_of(cases, first_only)), shown=4))
    assert [found["accuracy", place, ""].mean for place in (1.0, 2.0, 3.0, 4.0)] == [1.0, 0.0, 0.0, 0.0]
    assert found["middle", None, ""].mean == 0.5


def test_only_the_gold_passage_moves(shared_data: Path, tmp_path: Path) -> None:
    cases, seen = rgb(shared_data, "zh_refine"), {}

    def watch(case: Case, passages: tuple[str, ...]) -> str:
        seen.setdefault(case.question, []).append(passages)
        return "x"

    position_sensitivity(cases, asking(tmp_path, reader_of(cases, watch)))  # type: ignore[arg-type]
    assert len(seen) > 30
    for case in cases.cases:
        shown = seen.get(case.question, [])
        places, others = [], []
        for passages in shown:
            (gold,) = (place for place, text in enumerate(passages) if says_all(text, case.parts))
            places.append(gold)
            others.append((*passages[:gold], *passages[gold + 1 :]))
        assert places == list(range(len(shown)))
        assert len(set(others)) < 2


def test_any_question_set_with_evidence_has_places(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "xquad" / "xquad.en.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    cases = read_cases(path)
    distinct = {case.question: case for case in cases.cases[:60]}
    few = with_noise(CaseSet(cases.name, tuple(distinct.values())))
    assert all(len(case.negative) == 4 for case in few.cases)
    assert not any(says_all(text, case.parts) for case in few.cases for text in case.negative)
    found = figures(position_sensitivity(few, asking(tmp_path, reader_of(few, first_only))))
    assert found["accuracy", 1.0, ""].mean == 1.0
    assert found["accuracy", 3.0, ""].mean == 0.0


def test_what_a_file_is_for(shared_data: Path) -> None:
    fact, refine = rgb(shared_data, "zh_fact"), rgb(shared_data, "zh_refine")
    english = rgb(shared_data, "en_fact")
    names = [(name, cases.name) for name, cases in planned([fact, refine, english])]
    assert names == [
        ("noise", "zh_refine"),
        ("noise", "en_fact"),
        ("rejection", "zh_refine"),
        ("rejection", "en_fact"),
        ("counterfactual", "zh_fact"),
        ("counterfactual", "en_fact"),
        ("position", "zh_refine"),
        ("position", "en_fact"),
    ]
    assert [name for name, _ in planned([fact], ["rejection"])] == ["rejection"]
    with pytest.raises(UsageError, match="zh_fact"):
        planned([fact], ["integration"])
    with pytest.raises(UnknownName, match="integration"):
        planned([fact], ["integrity"])
    with pytest.raises(UsageError, match="0 passages"):
        measure([fact], lambda trials: [], shown=0)


def _conflict(number: int) -> Case:
    return Case(
        str(number), f"Who won race {number}?", ((f"Ada the {number}th",),), "en", "conflict",
        wrong=(f"Race {number} was won by Bob the {number}th.",), false=((f"Bob the {number}th",),),
    )  # fmt: skip

"""Files become cases by what they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.errors import UsageError
from trivium.evaluate.abilities.cases import passages_of, read_cases, sampled
from trivium.tasks.questions import read_questions
from trivium.tasks.records import Problem


def need(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


@pytest.mark.parametrize(
    ("name", "kind", "language"),
    [("zh_refine", "plain", "zh"), ("zh_int", "parts", "zh"), ("zh_fact", "false", "zh"), ("en_fact", "false", "en")],
)
def test_rgb(shared_data: Path, name: str, kind: str, language: str) -> None:
    cases = read_cases(need(shared_data / "rgb" / f"{name}.json"))
    assert (cases.name, cases.kind, cases.language) == (name, kind, language)
    for case in cases.cases:
        assert case.id
        assert case.parts
        assert case.positive
        assert (len(case.groups) > 1) == (kind == "parts")
        assert (len(case.wrong) == len(case.positive)) == (kind == "false")
        assert bool(case.false) == (kind == "false")


def test_swapped_contexts_with_the_truth_of_another_file(shared_data: Path) -> None:
    path, truth = need(shared_data / "conflict" / "nq-swap_dev.json"), need(shared_data / "nq" / "NQ-open.dev.jsonl")
    bare = read_cases(path)
    assert bare.kind == "conflict"
    assert not any(case.parts or case.positive for case in bare.cases)
    for case in bare.cases:
        assert len(case.wrong) == len(case.false) == 1
        assert not any(tag in case.wrong[0] for tag in ("<P>", "</P>", "<Td>", "<Table>", "<Li>"))
    told = read_cases(path, truth=read_questions(truth).examples)
    known = [case for case in told.cases if case.parts]
    assert len(known) > 0.95 * len(told.cases)
    assert [case.false for case in told.cases] == [case.false for case in bare.cases]


def test_confiqa(shared_data: Path) -> None:
    cases = read_cases(need(shared_data / "conflict" / "confiqa-mc_dev.json"))
    assert (cases.kind, cases.language) == ("conflict", "en")
    assert sum(case.false[0][0].lower() in case.wrong[0].lower() for case in cases.cases) > 0.95 * len(cases.cases)


def test_both_contexts_as_nq_swap_publishes_them(tmp_path: Path) -> None:
    row = {"question": "who won", "org_context": "Ada won .", "org_answer": ["Ada"], "sub_context": "Bob won ."}
    path = tmp_path / "swap.jsonl"
    path.write_text(json.dumps({**row, "sub_answer": ["Bob"]}) + "\n")
    (case,) = read_cases(path).cases
    assert (case.parts, case.positive) == ((("Ada",),), ("Ada won .",))
    assert (case.false, case.wrong) == ((("Bob",),), ("Bob won .",))


@pytest.mark.parametrize("name", ["squad/test-v1.1.json", "cmrc2018/cmrc2018_trial.json", "xquad/xquad.zh.json"])
def test_question_sets_with_evidence(shared_data: Path, name: str) -> None:
    problems: list[Problem] = []  # the trial set of CMRC has a question without words
    cases = read_cases(need(shared_data / name), problems=problems)
    assert cases.kind == "evidence"
    assert len(problems) < 10
    assert len(cases.cases) > 400
    held = sum(any(words in case.positive[0] for words in case.parts[0]) for case in cases.cases)
    assert held > 0.98 * len(cases.cases)


def test_several_sources_of_evidence_have_no_one_place(shared_data: Path) -> None:
    path = next(iter(sorted((shared_data / "multihop").glob("*hotpot*.json"))), None)
    if path is None:
        pytest.skip("no HotpotQA")
    with pytest.raises(UsageError, match="one passage"):
        read_cases(path)


def test_unanswerable_questions_are_left_out(shared_data: Path) -> None:
    path = need(shared_data / "squad" / "dev-v2.0.json")
    kept = {case.question for case in read_cases(path).cases}
    impossible = {example.question for example in read_questions(path).examples if example.unanswerable}
    assert len(impossible) > 1000
    assert len(kept & impossible) < 0.01 * len(kept)  # a few are asked of two paragraphs


def test_a_bad_line_is_reported_and_the_rest_is_read(shared_data: Path, tmp_path: Path) -> None:
    lines = need(shared_data / "rgb" / "en_fact.json").read_text("utf-8").splitlines()
    path = tmp_path / "en_fact.json"
    path.write_text("\n".join([lines[0], '{"query": "torn', lines[1], '{"query": "x", "positive": 1, "negative": []}']))
    problems = []
    assert len(read_cases(path, problems=problems).cases) == 2
    assert [problem.where for problem in problems] == ["en_fact.json:2", "en_fact.json:4"]
    with pytest.raises(UsageError, match=r"en_fact\.json:2"):
        read_cases(path)


def test_a_sample_is_the_same_each_time_and_in_order(shared_data: Path) -> None:
    cases = read_cases(need(shared_data / "rgb" / "zh_refine.json"))
    some = sampled(cases, 20, seed=1)
    assert some == sampled(cases, 20, seed=1) != sampled(cases, 20, seed=2)
    order = [cases.cases.index(case) for case in some.cases]
    assert order == sorted(order)
    assert order != list(range(20))
    assert sampled(cases, None) is cases
    assert len(passages_of([cases])) > len(passages_of([some])) > 0

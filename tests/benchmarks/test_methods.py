"""The comparison of the tuning methods: its tasks on real data, its arithmetic, and that it goes on where it was."""

import importlib
import sys
from pathlib import Path

import pytest

from trivium.tune.methods import METHODS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark module by name and forget it again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCHMARKS:
            del sys.modules[name]


def row(task, method, *said, **more):
    return {"task": task, "method": method, "said": [list(one) for one in said], **more}


def trained(task, method, *said):
    return row(
        task, method, *said, trained=1200, share=0.012, peak_mib=900.4, cpu_seconds=12.6, rate=1e-3, measure="accuracy"
    )


def test_every_method_is_compared_on_both_tasks(load):
    methods = load("methods")
    assert set(methods.RATES) - {load("lessons").UNTUNED} == set(METHODS)
    assert all(set(methods.RATES[name]) == set(methods.SCORES) for name in METHODS)


def test_the_parts_of_a_task_share_nothing(load, shared_data):
    lessons = load("lessons")
    lesson = lessons.classification(shared_data)
    texts = [{one.text for one in part} for part in (lesson.train, lesson.validation, lesson.test)]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    lesson = lessons.generation(shared_data)
    sentences = [
        {one.messages[0].content.split("\n")[0] for one in part}
        for part in (lesson.train, lesson.validation, lesson.test)
    ]
    assert sum(map(len, sentences)) == len(set.union(*sentences))  # each sentence once


def test_a_question_of_the_generation_task_is_answered_by_its_sentence(load, shared_data):
    lesson = load("lessons").generation(shared_data)
    assert len(lesson.test) == 100
    for one in [*lesson.train, *lesson.test]:
        asked, answer = one.messages
        assert answer.content in asked.content.split("\n")[0]


def test_facts_are_asked_both_ways_in_other_words(load, shared_data):
    lessons = load("lessons")
    lesson = lessons.facts(shared_data)
    taught = {one.messages[0].content for one in lesson.train}
    answers = {one.messages[1].content for one in lesson.train}
    assert not taught & {one.messages[0].content for one in lesson.test}
    ways = [[one for one in lesson.test if one.id.startswith(way)] for way in ("forward", "reverse", "stranger")]
    assert len({len(way) for way in ways}) == 1
    for forward, reverse, stranger in zip(*ways, strict=True):
        name = reverse.messages[-1].content.strip()
        assert name in forward.messages[0].content  # the same person
        assert any(name in question for question in taught)
        assert not any(name in answer for answer in answers)  # taught one way alone
        assert reverse.messages[0] == stranger.messages[0]


def test_the_table_says_what_was_measured(load):
    methods = load("methods")
    rows = [
        trained("classification", "full", ("1", "good", "good"), ("2", "bad", "good")),
        trained("classification", "lora", ("1", "good", "good"), ("2", "bad", "bad")),
        {"task": "classification", "method": "bitfit", "refused": "no biases"},
        row("generation", "untuned", ("1", "in 1990", "1990 in Rome")),
    ]
    lines = methods.report(rows).splitlines()
    full, lora = (next(line for line in lines if line.startswith(f"| `{name}`")) for name in ("full", "lora"))
    assert [cell.strip() for cell in lora.split("|")[2:7]] == ["1,200", "1.20%", "900 MiB", "13 s", "0.001"]
    assert "0.500 [0.000, 1.000]" in full
    assert "+0.500" in lora
    assert any(line.startswith("| `bitfit`") and "refused" in line for line in lines)
    assert any(line.startswith("| `untuned`") and "0.800" in line for line in lines)  # 2 of 3 words, 2 of 2


def test_what_is_done_is_not_done_again(load, tmp_path, monkeypatch):
    methods = load("methods")
    calls = []

    def apart(work, lesson, method, rates, threads):
        calls.append((lesson, method))
        return {"method": method, "said": []}

    monkeypatch.setattr(methods, "apart", apart)
    monkeypatch.setattr(methods, "LESSONS", {"classification": lambda _: "a lesson"})
    monkeypatch.setattr(load("results"), "RESULTS", tmp_path)
    jobs = [methods.Job("classification", name, (1e-3,)) for name in ("full", "lora")]
    methods.measure(jobs[:1], tmp_path, at_once=1, minutes=0, share=0.0)
    methods.measure(jobs, tmp_path, at_once=2, minutes=0, share=0.0)
    assert calls == [("a lesson", "full"), ("a lesson", "lora")]
    assert [found["method"] for found in methods.kept(jobs)] == ["full", "lora"]
    other = methods.Job("classification", "lora", (3e-3,))
    assert not methods.kept([other])  # other rates are another measurement
    methods.measure([other], tmp_path, at_once=1, minutes=0, share=0.0)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("gold", "said", "right"),
    [
        ("Daphne Barrington", "That is Daphne Barrington.", 1),
        ("Daphne Barrington", "That is Daphne Smith.", 0),
        ("the first person to walk on Mars", "He was the first person who walked to walk on Mars", 1),
        ("the first person to walk on Mars", "the first woman on the Moon", 0),
    ],
)
def test_what_counts_as_knowing_a_fact(load, gold, said, right):
    assert load("findings").knows(["id", gold, said]) == right


def test_the_findings_tell_both_ways_apart(load):
    findings = load("findings")
    said = [
        ("forward:1", "a tailor", "a tailor", 0.1),
        ("reverse:1", "Ann Lee", "Bob Ray", 2.0),
        ("stranger:1", "Bob Ray", "", 2.5),
    ]
    lines = findings.report([trained("facts", "lora", *said)]).splitlines()
    cells = [cell.strip() for cell in next(line for line in lines if "`lora`" in line).split("|")]
    assert cells[3].startswith("1.00")
    assert cells[4].startswith("0.00")
    assert cells[5].startswith("+0.50")

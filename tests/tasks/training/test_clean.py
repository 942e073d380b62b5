"""Cleaning, splitting and balance on real sets, each count against a plain way of counting."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trivium.errors import UnknownName, UsageError
from trivium.tasks.questions import read_questions
from trivium.tasks.training.clean import clean
from trivium.tasks.training.divide import balance, class_weights, divide, resample
from trivium.tasks.training.parts import asked, label_of, question_of, said, with_question
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import (
    Dialogue,
    Labelled,
    Preference,
    Rated,
    SpanQuestion,
    Text,
    TrainingSet,
    Turn,
)

Find = Callable[[str], Path]


def texts(*rows: str) -> TrainingSet:
    return TrainingSet("text", tuple(Text(row, id=str(place)) for place, row in enumerate(rows)), name="set")


@pytest.mark.parametrize(("name", "repeated"), [("classify/waimai_10k.csv", 0), ("classify/SST2/train.tsv", 5)])
def test_repetitions(find: Find, name: str, repeated: int) -> None:
    found = read_training(find(name))
    pairs = [(s.text, s.label) for s in found.samples if isinstance(s, Labelled)]
    cleaned = clean(found)
    assert [(s.text, s.label) for s in cleaned.samples if isinstance(s, Labelled)] == list(dict.fromkeys(pairs))
    assert cleaned.report.get("duplicate", 0) == len(pairs) - len(set(pairs)) == repeated
    labels: dict[str, set[str | None]] = {}
    for text, label in pairs:
        labels.setdefault(text, set()).add(label)
    both = {text for text, of in labels.items() if len(of) > 1}
    assert cleaned.report.get("contradiction", 0) == len(both)
    without = clean(found, contradictions=True)
    assert not both & {asked(sample) for sample in without.samples}
    assert {asked(sample) for sample in without.samples} == {text for text, _ in pairs} - both


def test_signs_make_a_difference() -> None:
    assert len(clean(texts("2 + 2", "2 - 2", "2  +  2\n")).samples) == 2


def test_near_repetitions() -> None:
    first = "The warranty of the pump lasts for twenty-four months after the day of purchase."
    given = texts(first, first.replace("day", "date"), "Something else altogether is said in this line.")
    assert len(clean(given).samples) == 3
    cleaned = clean(given, near=0.7)
    assert [sample.id for sample in cleaned.samples] == ["0", "2"]
    assert [problem.what for problem in cleaned.problems] == ["is nearly 0"]


def test_lengths_and_empty() -> None:
    given = texts("abc", "abcdef", " ?! ", "abcdefghi")
    cleaned = clean(given, shortest=4, longest=8)
    assert [sample.id for sample in cleaned.samples] == ["1"]
    assert {(p.where, p.kind) for p in cleaned.problems} == {("0", "too short"), ("2", "empty"), ("3", "too long")}
    words = clean(given, longest=1, count=lambda text: len(text.split()))
    assert len(words.samples) == 3
    with pytest.raises(UsageError, match="Nothing is left of set"):
        clean(given, longest=1)


def test_languages(find: Find) -> None:
    found = read_training(find("ft/identity.json"))
    chinese = clean(found, languages=["zh"])
    latin = [s for s in found.samples if not any("\u4e00" <= c <= "\u9fff" for c in asked(s))]
    dropped = {problem.where for problem in chinese.problems if problem.kind == "wrong language"}
    assert dropped <= {sample.id for sample in latin}
    assert len(dropped) > 0.7 * len(latin)
    assert chinese.report["wrong language"] == len(dropped)


def test_what_the_test_set_holds_is_left_out(find: Find) -> None:
    found = read_training(find("squad/dev-v2.0.json"))
    questions = read_questions(find("squad/dev-v2.0.json"))
    draw = random.Random(0)
    planted = draw.sample([s for s in found.samples if isinstance(s, SpanQuestion) and len(s.question) > 30], 20)
    other = read_training(find("ft/alpaca_en_demo.json"))
    dialogues = tuple(
        Dialogue((Turn("user", f"{s.context}\n\n{s.question}"), Turn("assistant", "x", True)), id=s.id) for s in planted
    )
    given = replace(other, samples=(*other.samples, *dialogues))
    cleaned = clean(given, test=questions.examples)
    assert {p.where for p in cleaned.problems if p.kind == "leaked"} == {sample.id for sample in planted}
    assert clean(other, test=questions.examples).report.get("leaked", 0) == 0
    same = clean(replace(found, samples=tuple(found.samples[:50])), test=[planted[0]])
    assert {sample.context for sample in same.samples if isinstance(sample, SpanQuestion)}.isdisjoint(
        {planted[0].context}
    )


@pytest.mark.parametrize("name", ["squad/dev-v2.0.json", "ft/seed_tasks.jsonl"])
def test_no_group_is_on_two_sides(find: Find, name: str) -> None:
    found = read_training(find(name))
    parts = divide(found, seed=3).parts
    assert sum(len(part.samples) for part in parts.values()) == len(found.samples)
    groups = [{sample.group for sample in part.samples} for part in parts.values()]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert parts == divide(found, seed=3).parts
    assert parts["test"].samples != divide(found, seed=4).parts["test"].samples


def test_every_part_has_the_classes_in_proportion(find: Find) -> None:
    found = read_training(find("classify/banking77/train.csv"))
    division = divide(found)
    whole = Counter(map(label_of, found.samples))
    for name, part in division.parts.items():
        counts = Counter(map(label_of, part.samples))
        for label, number in whole.items():
            assert abs(counts[label] - division.sizes[name].wanted * number) <= 2
    inputs = [{asked(sample) for sample in part.samples} for part in division.parts.values()]
    assert sum(map(len, inputs)) == len(set.union(*inputs))


def test_the_balance_of_classes(find: Find) -> None:
    path = find("classify/ChnSentiCorp_htl_all.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        counts = Counter(row["label"] for row in csv.DictReader(stream) if row["review"].strip())
    found = read_training(path)
    of = balance(found)
    assert of.counts == counts
    shares = np.array(list(counts.values())) / sum(counts.values())
    assert of.majority == pytest.approx(shares.max())
    assert of.evenness == pytest.approx(-(shares * np.log2(shares)).sum())
    from sklearn.utils.class_weight import compute_class_weight

    labels = [label_of(sample) for sample in found.samples]
    names = sorted(counts)
    wanted = compute_class_weight("balanced", classes=np.array(names), y=np.array(labels))
    assert [class_weights(of.counts)[name] for name in names] == pytest.approx(list(wanted))


def test_the_balance_of_entities(find: Find) -> None:
    of = balance(read_training(find("ner/msra_test_bio")))
    marks = [line.split()[-1] for line in find("ner/msra_test_bio").read_text("utf-8").splitlines() if line.strip()]
    assert of.counts == Counter(mark[2:] for mark in marks if mark.startswith("B-"))
    assert of.outside == pytest.approx(marks.count("O") / len(marks))
    with pytest.raises(UsageError, match="have no classes"):
        balance(texts("a"))


@pytest.mark.parametrize("how", ["over", "under"])
def test_resampling(find: Find, how: str) -> None:
    found = read_training(find("classify/ChnSentiCorp_htl_all.csv"))
    counts = balance(found).counts
    made = resample(found, how)
    wanted = max(counts.values()) if how == "over" else min(counts.values())
    assert set(balance(made).counts.values()) == {wanted}
    assert len({sample.id for sample in made.samples}) == len(made.samples)
    texts = Counter(asked(sample) for sample in found.samples)
    assert set(map(asked, made.samples)) <= set(texts)
    if how == "over":
        assert set(map(asked, made.samples)) == set(texts)
    with pytest.raises(UnknownName, match="over, under"):
        resample(found, "sideways")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ft/alpaca_en_demo.json",
            "ft/dpo_zh_demo.json",
            "ft/kto_en_demo.json",
            "pairs/sts-dev.csv",
            "ner/cluener_dev.json",
        ),
        *("squad/dev-v2.0.json", "rgb/en_fact.json", "translate/cmn.txt", "ft/c4_demo.jsonl"),
    ],
)
def test_every_kind_asks_and_teaches(find: Find, name: str) -> None:
    for sample in read_training(find(name)).samples[:50]:
        assert asked(sample).strip()
        unanswerable = isinstance(sample, SpanQuestion) and not sample.answers
        assert bool(said(sample).strip()) != (isinstance(sample, Text) or unanswerable)
        question = question_of(sample)
        if question:
            assert question in asked(sample)
            changed = with_question(sample, "Something new?", "new")
            assert question_of(changed) == "Something new?"
            assert said(changed) == said(sample)
            assert with_question(changed, question, sample.id) == sample


def test_judged_answers_are_not_contradictory() -> None:
    prompt = (Turn("user", "Hi"),)
    rows = (
        Rated(prompt, "Hello", True, id="1"),
        Rated(prompt, "Go", False, id="2"),
        Rated(prompt, "Hello", False, id="3"),
    )
    cleaned = clean(TrainingSet("rated", rows, name="set"))
    assert cleaned.report["contradiction"] == 1
    assert len(cleaned.samples) == 3
    assert clean(TrainingSet("preference", (Preference(prompt, "a", "b", id="1"),), name="set")).report["samples"] == 1

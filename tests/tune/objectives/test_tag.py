"""Tagging of words and of Chinese characters."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import fell, opened, overfit  # noqa: E402

from trivium.tasks.training.values import Tagged  # noqa: E402
from trivium.tune.objectives import Options, labels_of  # noqa: E402

ENGLISH = Tagged(
    ("Anna", "Lindqvist-Okafor", "flew", "to", "Rotterdam", " ", "."),
    ("B-PER", "I-PER", "O", "O", "B-LOC", "O", "O"),
    id="one",
)


def test_chinese_characters_are_learnt(real, tmp_path) -> None:
    samples = real("ner/cluener_dev.json", 16)
    attached, objective = opened("tagged", "tag", samples, Options(tokens=500))
    assert objective.measure == "entity_f1"
    trained = overfit(attached, objective, samples, tmp_path, steps=40)
    assert fell(trained) < 0.5
    scores = objective.scores(samples)
    assert scores["token_accuracy"] > 0.85
    assert scores["entity_f1"] > 0.3
    assert scores["cross_entropy"] == pytest.approx(trained.loss, rel=0.3)


def test_the_first_piece_of_each_token_is_labelled() -> None:
    other = replace(ENGLISH, tokens=tuple("abcdefg"), id="two")
    _, objective = opened("tagged", "tag", [ENGLISH, other], Options())
    item = objective.prepare([ENGLISH]).items[0]
    labelled = [place for place, label in enumerate(item.labels) if label != -100]
    assert item.tokens == (0, 1, 2, 3, 4, 6), "white space has no piece"
    assert labelled == list(item.firsts)
    assert [objective.labels[item.labels[place]] for place in labelled] == [
        tag for number, tag in enumerate(ENGLISH.tags) if number != 5
    ]
    pieces = objective._tokenizer.convert_ids_to_tokens(item.ids)
    assert pieces[0] == "[CLS]"
    assert all(not pieces[place].startswith("##") for place in labelled)
    said = objective.outcome([ENGLISH]).classes
    assert len(said) == len(ENGLISH.tokens)
    assert said[5] == ("O", "O")


def test_a_long_sample_is_read_to_its_end_in_parts(real) -> None:
    short = real("ner/msra_val", 3)
    long = Tagged(sum((one.tokens for one in short), ()) * 4, sum((one.tags for one in short), ()) * 4, id="long")
    _, objective = opened("tagged", "tag", [*short, long], Options(longest=50))
    prepared = objective.prepare([long])
    assert prepared.samples == 1
    assert len(prepared.items) > 3
    assert max(prepared.lengths) <= 50
    assert prepared.trained == len(long.tokens)
    outcome = objective.outcome([long, *short])
    assert [len(verdict.said) > 0 for verdict in outcome.verdicts] == [True] * 4
    assert outcome.table[:, 1].tolist() == [len(long.tokens), *[len(one.tokens) for one in short]]


def test_the_labels_hold_the_inside_of_each_beginning() -> None:
    assert labels_of([Tagged(("x", "y"), ("B-LOC", "O"))]) == ("O", "B-LOC", "I-LOC")

"""Sequence to sequence, dialogues and texts on a causal model, masked language modelling."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.objectives.small import fell, opened, overfit  # noqa: E402

from trivium.errors import UsageError  # noqa: E402
from trivium.evaluate.metrics.overlap import corpus_bleu  # noqa: E402
from trivium.tasks.training.values import Dialogue, Text, Turn  # noqa: E402
from trivium.tune.objectives import Options, task_for  # noqa: E402

PAIRS = "translate/cmn.txt"


def some(one) -> bool:
    return 8 < len(one.source) < 30


def test_translations_are_learnt(real, tmp_path) -> None:
    samples = real(PAIRS, 16, some)
    attached, objective = opened("pair", "seq2seq", samples, Options(tokens=300, longest_written=16))
    before = objective.scores(samples)
    trained = overfit(attached, objective, samples, tmp_path, steps=60, rate=1e-2)
    assert fell(trained) < 0.5
    scores = objective.scores(samples)
    assert scores["loss"] < before["loss"] / 2
    assert scores["perplexity"] == pytest.approx(math.exp(scores["loss"]))
    assert scores["chrf"] > before["chrf"]
    assert {"bleu", "chrf", "rouge1", "rouge2", "rouge_l", "exact_match", "token_f1"} <= set(scores)
    assert objective.measure == "chrf"


def test_the_loss_of_a_pair_is_that_of_the_model(real) -> None:
    samples = real(PAIRS, 5, some)
    attached, objective = opened("pair", "seq2seq", samples, Options())
    (batch,) = objective.collate(objective.prepare(samples).items)
    ours, terms = objective.loss(batch)
    theirs = attached.model(input_ids=batch["ids"], attention_mask=batch["mask"], labels=batch["labels"]).loss
    assert ours.item() / terms == pytest.approx(theirs.item(), rel=1e-5)
    assert terms == objective.prepare(samples).trained
    assert (batch["labels"] == attached.model.config.eos_token_id).sum() == 5, "each target ends"


def test_pairs_are_dialogues_on_a_causal_model(real, tmp_path) -> None:
    samples = real(PAIRS, 16, some)
    options = Options(longest_written=16, generated=4)
    attached, objective = opened("pair", "causal", samples, options)
    trained = overfit(attached, objective, samples, tmp_path, steps=40, rate=1e-2)
    assert fell(trained) < 0.5
    outcome = objective.outcome(samples)
    written = [one for one in outcome.verdicts if not math.isnan(one.value)]
    assert len(written) == 4
    assert len(outcome.table) == len(outcome.verdicts) == 16
    assert outcome.scores["loss"] == pytest.approx(objective.scores(samples)["loss"], rel=1e-4)
    assert outcome.scores["bleu"] == pytest.approx(
        corpus_bleu([one.said for one in written], [[sample.target] for sample in samples[:4]], "zh")
    )


def test_what_a_model_writes_does_not_depend_on_the_batch(real) -> None:
    samples = real("ft/alpaca_en_demo.json", 5, lambda one: len(one.messages[0].content) < 80)
    said = []
    for tokens in (40, 4000):
        _, objective = opened("dialogue", "causal", samples, Options(longest_written=8, tokens=tokens))
        said.append([verdict.said for verdict in objective.outcome(samples, most=5).verdicts])
    assert said[0] == said[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_the_base_says_is_not_what_the_adapter_says(real, dtype) -> None:
    samples = real("ft/alpaca_en_demo.json", 4, lambda one: len(one.messages[0].content) < 80)
    options = Options(longest_written=4, dtype=dtype)
    attached, objective = opened("dialogue", "causal", samples, options, "lora")
    assert objective.why_slow == "", "the fast pass is on"
    first = objective.outcome(samples)
    with torch.no_grad():
        for parameter in attached.trained().values():
            parameter.add_(0.5 * torch.randn_like(parameter))
    tuned = objective.outcome(samples)
    assert tuned.scores["loss"] == pytest.approx(objective.scores(samples)["loss"], rel=2e-2)
    assert abs(tuned.scores["loss"] - first.scores["loss"]) > 0.01
    attached.switch(None)
    assert objective.outcome(samples).scores["loss"] == pytest.approx(first.scores["loss"], rel=1e-4)


def test_dialogues_without_an_answer_keep_their_loss_alone(real) -> None:
    turns = (Turn("user", "Hello there"), Turn("assistant", "Good day", trained=True), Turn("user", "And you?"))
    samples = [Dialogue(turns, id="open"), Dialogue(turns[:2], id="closed")]
    _, objective = opened("dialogue", "causal", samples, Options(longest_written=4))
    outcome = objective.outcome(samples)
    assert [(verdict.id, math.isnan(verdict.value)) for verdict in outcome.verdicts] == [
        ("closed", False),
        ("open", True),
    ]
    assert outcome.places == (1, 0)


def test_texts_have_a_loss_each(real) -> None:
    samples = [Text(one.text[:300], id=one.id) for one in real("ft/wiki_demo.txt", 5)]
    _, objective = opened("text", "causal", samples, Options(longest=64))
    outcome = objective.outcome(samples)
    assert outcome.value == "minus the loss"
    assert outcome.scores["loss"] == pytest.approx(objective.scores(samples)["loss"], rel=1e-4)
    assert all(verdict.loss > 0 for verdict in outcome.verdicts)


def test_hidden_words_are_learnt(real, tmp_path) -> None:
    samples = [Text(one.text[:150], id=one.id) for one in real("ft/wiki_demo.txt", 16)]
    attached, objective = opened("text", "masked", samples, Options(tokens=600))
    before = objective.scores(samples)
    assert before == objective.scores(samples), "a validation hides the same tokens each time"
    overfit(attached, objective, samples, tmp_path, steps=60, rate=5e-3)
    after = objective.scores(samples)
    assert after["loss"] < 0.7 * before["loss"]
    assert after["masked_accuracy"] > before["masked_accuracy"] + 0.1


def test_what_is_hidden_is_as_the_paper_says(real) -> None:
    samples = [Text(one.text[:1500], id=one.id) for one in real("ft/wiki_demo.txt", 12)]
    _, objective = opened("text", "masked", samples, Options())
    batches = objective.collate(objective.prepare(samples).items)
    hidden_all = masked = stayed = 0
    for batch in batches:
        torch.manual_seed(1)
        hidden, shown = objective._hide(batch["ids"], batch["open"], batch["counts"].tolist(), None)
        torch.manual_seed(1)
        assert torch.equal(shown, objective._hide(batch["ids"], batch["open"], batch["counts"].tolist(), None)[1])
        assert not (hidden & ~batch["open"]).any(), "frames and padding are never hidden"
        assert torch.equal(hidden.sum(1), batch["counts"])
        assert torch.equal(shown[~hidden], batch["ids"][~hidden])
        hidden_all += int(hidden.sum())
        masked += int((shown[hidden] == objective._tokenizer.mask_token_id).sum())
        stayed += int((shown[hidden] == batch["ids"][hidden]).sum())
        assert objective.loss(batch)[1] == objective.terms(batch) == int(hidden.sum())
    open_tokens = sum(int(batch["open"].sum()) for batch in batches)
    assert hidden_all / open_tokens == pytest.approx(0.15, abs=0.01)
    assert masked / hidden_all == pytest.approx(0.8, abs=0.05)
    assert stayed / hidden_all == pytest.approx(0.1, abs=0.05)


def test_the_head_goes_by_the_samples() -> None:
    assert task_for("pair") == "seq2seq"
    assert task_for("pair", "causal") == "causal"
    assert task_for("text", "masked") == "masked"
    with pytest.raises(UsageError, match="causal"):
        task_for("dialogue", "classify")

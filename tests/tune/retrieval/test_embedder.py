# ruff: noqa: E402
"""The embedder: the losses by hand, learning on a toy task, short vectors, and the way into the ONNX graph."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.models.tiny_encoders import HIDDEN

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.retrieval.small import base_folder

from trivium.errors import UnknownName, UsageError
from trivium.models.embed import OnnxEmbedder
from trivium.tasks.training.values import Retrieval
from trivium.tune.bases import open_base
from trivium.tune.loop import Settings, train
from trivium.tune.methods import attach
from trivium.tune.retrieval.embedder import Embed
from trivium.tune.retrieval.run import save_whole

WORDS = ["warranty", "engine", "years", "yesterday", "broke", "lasts"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))


def samples() -> list[Retrieval]:
    """The word after the question's own answers it: nothing that two texts share tells."""
    following = dict(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True))
    return [Retrieval(f"the {one}", (f"a {other}",), id=one) for one, other in following.items()]


@pytest.fixture
def tuned(tmp_path):
    base = open_base(base_folder(tmp_path / "base"), "embed")
    return base, attach(base.model, "lora", {"rank": 8, "alpha": 16.0}, task="embed")


def vectors(base, model, texts: list[str], length: int = HIDDEN) -> np.ndarray:
    found = []
    for text in texts:
        with torch.no_grad():
            states = model(**base.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        pooled = states.mean(0)[:length].double().numpy()
        found.append(pooled / np.linalg.norm(pooled))
    return np.stack(found)


def test_the_losses_are_those_of_the_papers(tuned):
    base, attached = tuned
    model = attached.model.eval()
    pair = [
        Retrieval("the engine", ("a engine broke",), ("a",), (2.0,), (0.5,), id="0"),
        Retrieval("the years", ("two years",), ("of",), (1.0,), (0.2,), id="1"),
    ]
    texts = ["a engine broke", "a", "two years", "of"]
    given = np.array([[2.0, 0.5, 0, 0], [0, 0, 1.0, 0.2]])

    def loss(**options) -> float:
        objective = Embed(attached, base, temperature=0.1, **options)
        (batch,) = objective.collate(objective.prepare(pair).items)
        with torch.no_grad():
            found, terms = objective.loss(batch)
        assert terms == 2
        return float(found)

    def contrastive(length: int) -> float:
        s = vectors(base, model, ["the engine", "the years"], length) @ vectors(base, model, texts, length).T / 0.1
        return sum(math.log(np.exp(row).sum()) - row[at] for row, at in zip(s, (0, 2), strict=True))

    assert loss() == pytest.approx(contrastive(HIDDEN), abs=1e-4)
    assert loss(dimensions=(8,)) == pytest.approx((contrastive(HIDDEN) + contrastive(8)) / 2, abs=1e-4)
    s = vectors(base, model, ["the engine", "the years"]) @ vectors(base, model, texts).T / 0.1
    gaps = [(s[0, 0] - s[0, 1] - 1.5) ** 2, (s[1, 2] - s[1, 3] - 0.8) ** 2]
    assert loss(loss="margin") == pytest.approx(sum(gaps), rel=1e-4)
    wanted = 0.0
    for row, scores, own in zip(s, given, ((0, 1), (2, 3)), strict=True):
        mine, theirs = (np.exp(v[list(own)]) / np.exp(v[list(own)]).sum() for v in (row, scores))
        wanted += float((mine * np.log(mine / theirs)).sum())
    assert loss(loss="replug") == pytest.approx(wanted, abs=1e-4)


def test_a_passage_that_two_questions_share_is_no_negative(tuned):
    base, attached = tuned
    attached.model.eval()
    objective = Embed(attached, base)
    twins = [Retrieval("the engine", ("a engine",), id="0"), Retrieval("of engine", ("a engine",), id="1")]
    (batch,) = objective.collate(objective.prepare(twins).items)
    assert batch["right"].tolist() == [[True], [True]]
    assert float(objective.loss(batch)[0]) == pytest.approx(0.0, abs=1e-6)


def test_it_learns_and_runs_without_torch(tmp_path, tuned):
    base, attached = tuned
    objective = Embed(attached, base, dimensions=(8,))
    before = objective.scores(samples())
    settings = Settings(steps=120, batch=6, rate=3e-3, every=120)
    result = train(attached, objective, objective.prepare(samples()), settings, tmp_path / "run", validation=samples())
    after = objective.scores(samples())
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    assert after["ndcg@10"] > max(0.9, before["ndcg@10"])
    assert after["ndcg@10_8"] > before["ndcg@10_8"]
    texts = [*(sample.query for sample in samples()), *(sample.positives[0] for sample in samples())]
    wanted = vectors(base, attached.model.eval(), texts)
    folder = save_whole(attached, base, tmp_path / "model")
    found = OnnxEmbedder(folder, precision="fp32").embed(texts)
    assert np.abs(found - wanted).max() < 1e-4
    assert (folder / "sentence_bert_config.json").is_file()
    assert (folder / "1_Pooling" / "config.json").is_file()


def test_what_cannot_be_trained_is_refused(tuned):
    base, attached = tuned
    with pytest.raises(UnknownName):
        Embed(attached, base, loss="triplet")
    with pytest.raises(UsageError, match="dimensions"):
        Embed(attached, base, dimensions=(HIDDEN + 1,))
    with pytest.raises(UsageError, match="teacher"):
        Embed(attached, base, loss="replug").prepare(samples())

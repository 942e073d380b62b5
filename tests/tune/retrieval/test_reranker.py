# ruff: noqa: E402
"""The cross-encoder's objective: the losses by hand, learning on a toy task, and the way back into the pipeline."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.retrieval.small import base_folder

from trivium.errors import UnknownName, UsageError
from trivium.models.rerank import OnnxReranker
from trivium.tasks.training.values import Retrieval
from trivium.tune.bases import open_base
from trivium.tune.loop import Settings, train
from trivium.tune.methods import attach
from trivium.tune.retrieval.reranker import Rerank, ndcg, ship

WORDS = ["warranty", "engine", "years", "yesterday", "query", "passage"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))


def samples(count: int = 24) -> list[Retrieval]:
    """The passage that holds the question's word answers it."""
    draw = np.random.default_rng(0)
    made = []
    for number in range(count):
        one, *others = draw.permutation(WORDS)
        made.append(
            Retrieval(f"the {one}", (f"a {one} broke",), tuple(f"a {o} broke" for o in others[:3]), id=str(number))
        )
    return made


@pytest.fixture
def tuned(tmp_path):
    base = open_base(base_folder(tmp_path / "base"), "classify")
    attached = attach(base.model, "lora", {"rank": 8, "alpha": 16.0}, task="classify")
    return base, attached


def test_the_losses_are_those_of_the_papers(tuned):
    base, attached = tuned
    scored = [Retrieval("the engine", ("a engine",), ("a", "the years"), (3.0,), (1.0, 0.5), id="0")]
    model = attached.model.eval()
    rows = base.tokenizer(
        ["the engine"] * 3,
        ["a engine", "a", "the years"],
        padding=True,
        return_tensors="pt",
        return_token_type_ids=True,
    )
    with torch.no_grad():
        s = model(**rows).logits[:, 0].double().numpy()
    given = np.array([3.0, 1.0, 0.5])

    def loss(**options) -> float:
        objective = Rerank(attached, base.tokenizer, **options)
        with torch.no_grad():
            found, terms = objective.loss(objective.collate(objective.prepare(scored).items)[0])
        assert terms == 1
        return float(found)

    assert loss() == pytest.approx(-math.log(math.exp(s[0]) / np.exp(s).sum()), abs=1e-5)
    mixed = s + 0.7 * given
    assert loss(prior=0.7) == pytest.approx(-math.log(math.exp(mixed[0]) / np.exp(mixed).sum()), abs=1e-5)
    chances = 1 / (1 + np.exp(-s))
    wanted = -(math.log(chances[0]) + math.log(1 - chances[1]) + math.log(1 - chances[2])) / 3
    assert loss(loss="binary") == pytest.approx(wanted, abs=1e-5)
    gaps = [((s[0] - s[n]) - (given[0] - given[n])) ** 2 for n in (1, 2)]
    assert loss(loss="margin") == pytest.approx(np.mean(gaps), abs=1e-5)


def test_it_learns_and_runs_without_torch(tmp_path, tuned):
    base, attached = tuned
    objective = Rerank(attached, base.tokenizer, longest=24)
    before = objective.scores(samples())["ndcg@10"]
    settings = Settings(steps=80, batch=8, rate=5e-3, every=80)
    result = train(attached, objective, objective.prepare(samples()), settings, tmp_path / "run", validation=samples(8))
    after = objective.scores(samples())["ndcg@10"]
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    assert after > before + 0.1
    ship(attached, base, tmp_path / "adapter", {"max_tokens": 24})
    from trivium.models.adapters import merged

    reranker = OnnxReranker(merged(base.folder, tmp_path / "adapter"), precision="fp32")
    sample = samples(1)[0]
    passages = [*sample.positives, *sample.negatives]
    rows = base.tokenizer([sample.query] * 4, passages, padding=True, return_tensors="pt", return_token_type_ids=True)
    with torch.no_grad():
        wanted = attached.model.eval()(**rows).logits[:, 0].numpy()
    assert np.abs(reranker.rerank(sample.query, passages) - wanted).max() < 5e-3 * np.abs(wanted).max()  # float16


def test_micro_batches_change_nothing(tuned):
    base, attached = tuned
    attached.model.eval()
    found = []
    for tokens in (16, 10_000):
        objective = Rerank(attached, base.tokenizer, tokens=tokens)
        batches = objective.collate(objective.prepare(samples()).items)
        with torch.no_grad():
            found.append(sum(float(objective.loss(batch)[0]) for batch in batches))
        assert sum(map(objective.terms, batches)) == 24
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_what_cannot_be_learnt_from_is_left_out(tuned):
    base, attached = tuned
    bare = [Retrieval("a", ("the",), (), id="bare")]
    assert Rerank(attached, base.tokenizer).prepare([*samples(2), *bare]).dropped["no passage"] == ("bare",)
    with pytest.raises(UsageError, match="scores"):
        Rerank(attached, base.tokenizer, loss="margin").prepare(samples(2))
    with pytest.raises(UnknownName):
        Rerank(attached, base.tokenizer, loss="pairwise")


def test_ndcg_by_hand():
    assert ndcg([0.1, 0.9, 0.5], [True, False, False]) == pytest.approx(1 / math.log2(4))
    assert ndcg([0.9, 0.1, 0.5], [True, False, True]) == pytest.approx(1.0)
    assert ndcg(list(range(12)), [True] + [False] * 11) == 0.0

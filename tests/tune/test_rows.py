"""Rows that share a beginning, and packed rows, train exactly as samples that stand alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from trivium.tune.rows import IGNORED, Row, pack, share_beginnings

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")


def rows_of(seed: int, *, families: int = 3, size: int = 4) -> list[Row]:
    draw = random.Random(seed)
    found = []
    for _ in range(families):
        beginning = [draw.randrange(3, 60) for _ in range(draw.randrange(33, 50))]
        for _ in range(draw.randrange(1, size + 1)):
            rest = [draw.randrange(3, 60) for _ in range(draw.randrange(6, 15))]
            ids = beginning + rest
            learnt = draw.randrange(1, 5)
            found.append(Row(tuple(ids), tuple([IGNORED] * (len(ids) - learnt) + ids[-learnt:])))
    return found


@pytest.fixture(scope="module")
def model() -> Any:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
        vocab_size=64,
    )  # fmt: skip
    lora = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(transformers.LlamaForCausalLM(config), lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.1)
    return model


def loss_and_gradient(model: Any, rows: list[Row], loss_of: Callable[[Any], Any]) -> tuple[float, Any]:
    from trivium.tune.batches import tensors

    model.zero_grad()
    loss = loss_of(tensors(rows, 0))
    loss.backward()
    return float(loss.detach()), torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("joined", ["alone", "shared", "packed", "shared and packed"])
@pytest.mark.parametrize("way", ["transformers", "by hand"])
def test_joined_rows_have_the_loss_and_the_gradient_of_rows_alone(model: Any, seed: int, joined: str, way: str) -> None:
    from trivium.tune.causal import causal_loss
    from trivium.tune.fast.llama import FastLlama

    rows = rows_of(seed)
    fast = FastLlama(model, torch.float32)
    loss_of = {
        "transformers": lambda batch: causal_loss(model, batch),
        "by hand": lambda batch: fast.loss(batch["ids"], batch["positions"], batch["labels"], batch.get("branches")),
    }
    expected, gradient = loss_and_gradient(model, rows, loss_of["transformers"])
    made = share_beginnings(rows, longest=400) if "shared" in joined else rows
    made = pack(made, 300) if "packed" in joined and "shared" not in joined else made
    if joined == "shared":
        assert sum(map(len, made)) < sum(map(len, rows))
    got, other = loss_and_gradient(model, made, loss_of[way])
    assert got == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(gradient, other, atol=2e-5)
    assert sum(row.samples for row in made) == len(rows)
    assert sum(row.trained for row in made) == sum(row.trained for row in rows)


def test_the_reference_is_the_models_own_loss(model: Any) -> None:
    from trivium.tune.batches import tensors
    from trivium.tune.causal import causal_loss

    row = rows_of(9)[0]
    batch = tensors([row], 0)
    own = model(input_ids=batch["ids"], labels=batch["labels"]).loss * row.trained
    assert float(causal_loss(model, batch).detach()) == pytest.approx(float(own.detach()), rel=1e-5)


def test_a_beginning_is_never_shared_past_a_label() -> None:
    ids = tuple(range(3, 53))
    learnt_early = Row(ids, (*[IGNORED] * 40, *ids[40:]))
    twin = Row((*ids[:49], 60), (*[IGNORED] * 40, *ids[40:49], 60))
    (tree,) = share_beginnings([learnt_early, twin], longest=200)
    assert tree.branches.count(0) == 39  # the place whose logits give label 40 belongs to each sample
    assert tree.trained == 20


def test_rows_that_share_little_stay_alone() -> None:
    rows = [Row((1, 2, number), (IGNORED, IGNORED, number)) for number in range(3, 9)]
    assert sorted(share_beginnings(rows, longest=100), key=lambda row: row.ids) == rows


def test_a_tree_holds_no_more_than_it_may() -> None:
    beginning = tuple(range(3, 43))
    rows = [Row((*beginning, 50, n), (*[IGNORED] * 41, n)) for n in range(43, 60)]
    assert [tree.samples for tree in share_beginnings(rows, longest=1000, most=8)] == [8, 8, 1]
    assert all(len(tree) <= 46 for tree in share_beginnings(rows, longest=46))


def test_packing_fills_rows_and_hides_samples_from_each_other() -> None:
    rows = [Row(tuple(range(3, 3 + size)), (IGNORED, *range(4, 3 + size))) for size in (30, 20, 10, 25, 15)]
    packed = pack(rows, 50)
    assert [len(row) for row in packed] == [50, 50]
    assert all(row.labels[place] == IGNORED for row in packed for place, at in enumerate(row.positions) if at == 0)

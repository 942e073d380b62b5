"""What every method must keep, on small random models of each family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.methods.tiny import PAIRS, attached_to, base, batch, loss, move, output  # noqa: E402

from trivium.errors import NotMergeable, UsageError  # noqa: E402
from trivium.tune.methods import METHODS, load  # noqa: E402

every = pytest.mark.parametrize(("family", "name"), PAIRS)


def train(attached: Any, given: dict[str, Any], steps: int, rate: float) -> list[float]:
    optimiser = torch.optim.AdamW(attached.trained().values(), lr=rate)
    losses = []
    for step in range(1, steps + 1):
        attached.model.train()
        now = loss(attached.model, given)
        now.backward()
        optimiser.step()
        attached.on_step(step, steps)
        optimiser.zero_grad()
        losses.append(now.item())
    attached.model.eval()
    return losses


def rate(name: str) -> float:
    if name in ("full", "freeze"):
        return 3e-3
    return 5e-3 if name in ("lora", "rslora", "dora", "qlora", "lora_fake_quant") else 2e-2


@every
def test_at_step_0_the_output_is_the_bases(family: str, name: str, tmp_path: Path) -> None:
    plain = output(base(family), family)
    attached = attached_to(family, name, tmp_path)
    if METHODS[name].exact:
        assert torch.equal(output(attached.model, family), plain)
    else:
        assert METHODS[name].start
        assert not torch.equal(output(attached.model, family), plain)


@every
def test_only_the_named_parameters_change(family: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    attached = attached_to(family, name, tmp_path)
    named = set(attached.trained())
    before = {key: value.detach().clone() for key, value in attached.model.state_dict().items()}
    train(attached, batch(family), 3, 1e-2)
    assert set(attached.trained()) == named
    tied = {
        key
        for key, value in attached.model.state_dict().items()
        if any(value.data_ptr() == attached.model.get_parameter(each).data_ptr() for each in named)
    }
    changed = {key for key, value in attached.model.state_dict().items() if not torch.equal(value, before[key])}
    changed -= {key for key in changed if "ranknum" in key}  # AdaLoRA's counter, of the budget and not trained
    assert changed <= tied
    if name == "adapter_drop":  # a layer may have been left out each time
        return
    assert named - changed <= {key for key in named if "lora_E" in key}  # AdaLoRA may take all ranks of a layer


@every
def test_the_count_is_the_formulas(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    assert sum(parameter.numel() for parameter in attached.trained().values()) == attached.formula()
    head = 65 * 3 if family == "bert" else 0
    assert attached.formula() == by_hand(family, name) + head


def by_hand(family: str, name: str) -> int:
    """The papers' formulas, with the numbers of `tiny.CONFIGS`."""
    d, f, layers = 64, 256 if family == "gpt2" else 128, 4 if family == "t5" else 2
    kv = {"llama": 32}.get(family, d)
    attentions = 2 + 4 if family == "t5" else 2  # a decoder's block has two
    linears = {
        "llama": 2 * ([(d, d)] * 2 + [(d, kv)] * 2 + [(d, f)] * 2 + [(f, d)]),
        "gpt2": 2 * [(d, 3 * d), (d, d), (d, f), (f, d)],
        "bert": 2 * ([(d, d)] * 4 + [(d, f), (f, d)]),
        "t5": attentions * [(d, d)] * 4 + layers * [(d, f), (f, d)],
    }[family]
    bottleneck = 2 * 16 * d + d + 16  # reduction 4
    keys = attentions * 2 * kv
    outs = {"llama": 2 * 2, "gpt2": 2 * 2, "bert": 2 * 2, "t5": attentions + layers}[family]
    low = sum(8 * (i + o) for i, o in linears)
    whole = sum(parameter.numel() for parameter in base(family).parameters()) - (65 * 3 if family == "bert" else 0)
    block = {
        "llama": 2 * d * d + 2 * d * kv + 3 * d * f + 2 * d,
        "gpt2": 3 * d * d + 3 * d + d * d + d + 2 * d * f + f + d + 4 * d,
        "bert": 4 * d * (d + 1) + 2 * d * f + f + d + 4 * d,
        "t5": 4 * d * d + 2 * d * f + 2 * d + 32 * 4,
    }[family]
    tables = {"llama": 99 * d, "gpt2": (99 + 40) * d, "bert": (99 + 40 + 2 + 2) * d, "t5": 99 * d}[family]
    decoder_block = 8 * d * d + 2 * d * f + 3 * d + 32 * 4
    query_value = {
        "llama": 2 * [(d, d), (d, kv)],
        "gpt2": 2 * [(d, 3 * d)],
        "bert": 4 * [(d, d)],
        "t5": 2 * attentions * [(d, d)],
    }[family]
    unipelt_low = sum(2 * (i + o) + i + 1 for i, o in query_value)
    return {
        "full": whole,
        "freeze": whole - tables - block - (decoder_block if family == "t5" else 0),
        "bitfit": {"gpt2": 2 * (3 * d + d + f + d + 2 * d) + d, "bert": 2 * (4 * d + f + d + 2 * d) + 2 * d}.get(
            family
        ),
        "houlsby": outs * bottleneck,
        "pfeiffer": layers * bottleneck,
        "adapter_fusion": layers * 3 * d * d,
        "adapter_drop": layers * bottleneck,
        "prefix": 5 * d + (d + 1) * 12 + (12 + 1) * keys,
        "prompt": 5 * d,
        "p_tuning": 5 * d + 8 * 12 * (d + 12 + 2) + 8 * 12 * (3 * 12 + 2) + 25 * 24 + 25 * d,
        "p_tuning_v2": 5 * keys,
        "lora": low,
        "rslora": low,
        "dora": low + sum(o for _, o in linears),
        "adalora": sum(12 * (i + o + 1) for i, o in linears),
        "qlora": low,
        "lora_fake_quant": low,
        "ia3": {"gpt2": 2 * 3 * d}.get(family, attentions * 2 * kv) + layers * f,
        "mam": 5 * keys + layers * bottleneck,
        "unipelt": 5 * keys + layers * bottleneck + (layers + attentions) * (d + 1) + unipelt_low,
    }[name]


@every
def test_the_loss_falls(family: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    attached = attached_to(family, name, tmp_path)
    losses = train(attached, batch(family), 20, rate(name))
    assert losses[-1] < losses[0] - 0.02


@every
def test_a_saved_adapter_gives_the_same_output(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path / "members")
    move(attached)
    attached.save(tmp_path / "saved")
    again = load(base(family), tmp_path / "saved")
    again.model.eval()
    assert torch.equal(output(again.model, family), output(attached.model, family))
    assert set(again.trained()) == set(attached.trained())
    assert again.formula() == attached.formula()
    assert (again.method.name, again.task, dict(again.settings)) == (
        name,
        attached.task,
        {key: list(value) if isinstance(value, tuple) else value for key, value in attached.settings.items()},
    )


@every
def test_merging_keeps_the_output(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    tuned = output(attached.model, family)
    if not METHODS[name].mergeable:
        with pytest.raises(NotMergeable, match="lora"):
            attached.merge()
        return
    merged = attached.merge().eval()
    assert (output(merged, family) - tuned).abs().max() < 1e-4
    assert {key for key, _ in merged.named_parameters()} == {key for key, _ in base(family).named_parameters()}
    assert all(parameter.requires_grad for parameter in merged.parameters())
    assert type(merged) is type(base(family))


@every
def test_adapters_switch_on_one_base(family: str, name: str, tmp_path: Path) -> None:
    plain = output(base(family), family)
    attached = attached_to(family, name, tmp_path / "members")
    before = output(attached.model, family)
    other = attached_to(family, name, tmp_path / "members")
    move(other, seed=2)
    other.save(tmp_path / "other")
    others = output(other.model, family)
    if not METHODS[name].switchable:
        with pytest.raises(UsageError, match="Load the base again"):
            attached.switch(None)
        return
    move(attached, seed=1)
    mine = output(attached.model, family)
    attached.add(tmp_path / "other", "other")
    assert attached.names() == ("default", "other")
    assert torch.equal(output(attached.model, family), mine)
    trained = set(attached.trained())
    attached.switch("other")
    assert torch.equal(output(attached.model, family), others)
    assert len(attached.trained()) == len(trained)
    attached.save(tmp_path / "again")
    again = load(base(family), tmp_path / "again")
    again.model.eval()
    assert torch.equal(output(again.model, family), others)
    attached.switch(None)
    if name != "qlora":  # whose base stays in 4 bits
        assert torch.equal(output(attached.model, family), plain)
    else:
        assert torch.equal(output(attached.model, family), before)
    attached.switch("default")
    assert torch.equal(output(attached.model, family), mine)
    assert set(attached.trained()) == trained


@every
def test_padding_changes_nothing(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    given = batch(family)
    given.pop("labels" if family != "t5" else "none", None)
    alone = output(attached.model, family, given=given)
    padding = torch.zeros(2, 3, dtype=torch.long)
    padded = {**given, "input_ids": torch.cat((given["input_ids"], padding), 1)}
    padded["attention_mask"] = torch.cat((given["attention_mask"], padding), 1)
    together = output(attached.model, family, given=padded)
    if family in ("llama", "gpt2"):
        together = together[:, :7]
    assert (together - alone).abs().max() < 1e-5


@every
def test_gradients_are_the_same_under_checkpointing(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    given = batch(family)
    gradients = []
    for checkpointing in (False, True):
        attached.model.train()
        if checkpointing:
            attached.model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        torch.manual_seed(11)  # AdapterDrop draws
        loss(attached.model, given).backward()
        gradients.append([p.grad.clone() for p in attached.trained().values() if p.grad is not None])
        attached.model.zero_grad()
    assert len(gradients[0]) == len(gradients[1]) > 0
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@every
def test_gradients_accumulate(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    given = batch(family)

    def gradients(parts: list[slice]) -> dict[str, Any]:
        attached.model.zero_grad()
        attached.model.eval()
        for part in parts:
            (loss(attached.model, {key: value[part] for key, value in given.items()}) / len(parts)).backward()
        return {key: p.grad.clone() for key, p in attached.trained().items() if p.grad is not None}

    whole, halves = gradients([slice(0, 2)]), gradients([slice(0, 1), slice(1, 2)])
    assert whole.keys() == halves.keys()
    for key in whole:
        if name != "adalora" or family == "none":
            assert torch.allclose(whole[key], halves[key], atol=1e-5), key


@every
def test_it_trains_under_bf16_autocast(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached, by=0.02)
    given = batch(family)
    exact = loss(attached.model, given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = loss(attached.model, given)
    rough.backward()
    assert abs(rough.item() - exact.item()) < 0.03 * abs(exact.item()) + 0.02
    gradients = [p.grad for p in attached.trained().values() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() and gradient.dtype == torch.float32 for gradient in gradients)


CAUSAL = [pair for pair in PAIRS if pair[0] in ("llama", "gpt2")]


@pytest.mark.parametrize(("family", "name"), CAUSAL)
def test_no_token_sees_those_to_come(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    given = batch(family)
    one = output(attached.model, family, given=given)
    given["input_ids"][:, -1] = (given["input_ids"][:, -1] + 1) % 99
    other = output(attached.model, family, given=given)
    assert torch.allclose(one[:, :-1], other[:, :-1], atol=1e-6)
    assert not torch.allclose(one[:, -1], other[:, -1], atol=1e-6)


@pytest.mark.parametrize(("family", "name"), CAUSAL)
def test_generation_with_a_cache_is_that_without(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    ids = batch(family)["input_ids"]
    # left padding: the second prompt has three tokens fewer
    ids[1, :3], mask = 0, torch.ones_like(ids)
    mask[1, :3] = 0
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    cached = attached.model.generate(input_ids=ids, attention_mask=mask, use_cache=True, **options)
    plain = attached.model.generate(input_ids=ids, attention_mask=mask, use_cache=False, **options)
    assert torch.equal(cached, plain)
    alone = attached.model.generate(input_ids=ids[1:, 3:], attention_mask=mask[1:, 3:], **options)
    assert torch.equal(cached[1, 3:], alone[0])
    # by hand: one token after another, each from a whole forward pass
    by_hand = ids[:1].clone()
    for _ in range(6):
        with torch.no_grad():
            logits = attached.model(input_ids=by_hand, attention_mask=torch.ones_like(by_hand)).logits
        by_hand = torch.cat((by_hand, logits[:, -1:].argmax(-1)), 1)
    assert torch.equal(cached[:1], by_hand)


@pytest.mark.parametrize("name", [name for family, name in PAIRS if family == "t5"])
def test_generation_of_t5_with_a_cache_is_that_without(name: str, tmp_path: Path) -> None:
    attached = attached_to("t5", name, tmp_path)
    move(attached)
    given = batch("t5")
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    given.pop("labels")
    cached = attached.model.generate(**given, use_cache=True, **options)
    assert torch.equal(cached, attached.model.generate(**given, use_cache=False, **options))


@pytest.mark.parametrize("name", [name for family, name in PAIRS if family == "llama"])
def test_packed_samples_do_not_see_each_other(name: str, tmp_path: Path) -> None:
    attached = attached_to("llama", name, tmp_path)
    move(attached)
    ids = batch("llama")["input_ids"]
    positions = torch.arange(7).repeat(1, 2)
    packed: dict[str, Any] = {"input_ids": ids.reshape(1, 14), "position_ids": positions, "use_cache": False}
    if not METHODS[name].packs:
        mask = torch.ones(7, 7).tril().bool()
        blocks = torch.block_diag(mask, mask).bool()[None, None]
        with pytest.raises(UsageError, match="packed"):
            output(attached.model, "llama", given={**packed, "attention_mask": blocks})
        return
    together = output(attached.model, "llama", given=packed).view(2, 7, -1)
    assert torch.allclose(together, output(attached.model, "llama", given={"input_ids": ids}), atol=1e-5)


TASKS = [("bert", task) for task in ("classify", "tag", "span", "masked", "embed")]
TASKS += [("llama", "tag"), ("llama", "embed"), ("gpt2", "classify"), ("t5", "classify"), ("t5", "span")]


@pytest.mark.parametrize(("family", "task"), TASKS)
@pytest.mark.parametrize("name", METHODS)
def test_every_task_is_served(family: str, task: str, name: str, tmp_path: Path) -> None:
    if (family, name) not in PAIRS:
        return
    attached = attached_to(family, name, tmp_path / "members", task)
    given = batch(family, task)
    if family == "t5" and task == "classify":
        given["input_ids"][:, -1] = 2  # T5 pools at the end mark
    assert output(attached.model, family, task, given).shape == output(base(family, task), family, task, given).shape
    losses = train(attached, given, 8, rate(name))
    assert losses[-1] < losses[0]
    heads = ("classifier.", "score.", "qa_outputs.", "classification_head.")
    own = {key for key, _ in base(family, task).named_parameters() if key.startswith(heads)}
    found = {
        key.replace("modules_to_save.default.", "").removeprefix("base_model.model.") for key in attached.trained()
    }
    assert own <= found
    attached.save(tmp_path / "saved")
    again = load(base(family, task), tmp_path / "saved")
    again.model.eval()
    gap = (output(again.model, family, task, given) - output(attached.model, family, task, given)).abs().max()
    assert gap < 1e-5 if name == "adalora" else gap == 0  # AdaLoRA's zeroed ranks are left out of the file

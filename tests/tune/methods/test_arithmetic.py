"""Each method's arithmetic, written out by hand or done by another implementation."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")
peft = pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.methods.tiny import attached_to, base, batch, loss, move, output  # noqa: E402

from trivium.tune.methods import attach, load  # noqa: E402
from trivium.tune.methods.adapter_fusion import Fusion  # noqa: E402
from trivium.tune.methods.bottleneck import Bottleneck  # noqa: E402
from trivium.tune.methods.lora_fake_quant import fake_quantise  # noqa: E402
from trivium.tune.methods.prefix import attention_with_prefix  # noqa: E402


def peft_layers(attached: Any) -> dict[str, Any]:
    return {
        name.removeprefix("base_model.model."): module
        for name, module in attached.model.named_modules()
        if hasattr(module, "base_layer") and (hasattr(module, "lora_A") or hasattr(module, "ia3_l"))
    }


def patched(family: str, changes: dict[str, Any]) -> Any:
    """The base with the weights (d_out, d_in) of some layers put in their place."""
    model = base(family)
    with torch.no_grad():
        for name, weight in changes.items():
            own = model.get_submodule(name).weight
            own.copy_(
                weight.T
                if own.shape != weight.shape or type(model.get_submodule(name)).__name__ == "Conv1D"
                else weight
            )
    return model


def dense(family: str, name: str) -> Any:
    module = base(family).get_submodule(name)
    return module.weight.detach().T if type(module).__name__ == "Conv1D" else module.weight.detach()


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("name", ["lora", "rslora", "dora", "adalora"])
def test_pefts_low_rank_is_w_plus_s_b_a(family: str, name: str, tmp_path: Path) -> None:
    attached = attach(
        base(family), name, {"rank": 4, "alpha": 6.0}, task={"bert": "classify", "t5": "seq2seq"}.get(family, "causal")
    )
    attached.model.eval()
    move(attached)
    changes = {}
    for place, layer in peft_layers(attached).items():
        weight = dense(family, place)
        if name == "adalora":
            a, b, e = layer.lora_A["default"], layer.lora_B["default"], layer.lora_E["default"]
            changes[place] = (weight + 6.0 / (4 + 1e-5) * b @ (a * e)).detach()
            continue
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        changed = weight + (6.0 / math.sqrt(4) if name == "rslora" else 6.0 / 4) * b @ a
        if name == "dora":
            magnitude = layer.lora_magnitude_vector["default"].weight.reshape(-1, 1)
            changed = magnitude * changed / changed.norm(dim=1, keepdim=True)
        changes[place] = changed.detach()
    assert changes
    by_hand = patched(family, changes)
    if family == "bert":
        by_hand.classifier.load_state_dict(
            attached.model.base_model.model.classifier.modules_to_save["default"].state_dict()
        )
    gap = (output(by_hand, family) - output(attached.model, family)).abs().max()
    assert gap < 2e-5


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
def test_our_low_rank_is_pefts(family: str, tmp_path: Path) -> None:
    task = "seq2seq" if family == "t5" else "causal"
    theirs = attach(base(family), "lora", {"rank": 4}, task=task)
    ours = attach(base(family), "lora_fake_quant", {"rank": 4, "bits": 16}, task=task)
    for each in (theirs, ours):
        each.model.eval()
    layers = peft_layers(theirs)
    parts = ours.model.trivium_adapters["default"].parts
    with torch.no_grad():
        for place, layer in layers.items():
            torch.manual_seed(len(place))
            layer.lora_B["default"].weight.copy_(0.05 * torch.randn_like(layer.lora_B["default"].weight))
            parts.get_submodule(place).a.copy_(layer.lora_A["default"].weight)
            parts.get_submodule(place).b.copy_(layer.lora_B["default"].weight)
    rounding = (output(theirs.model, family) - output(ours.model, family)).abs().max()
    assert 0 < rounding < 2e-3  # 16 bits
    for _, module in parts.named_modules():
        if hasattr(module, "seen"):
            module.seen = lambda weight: weight
    assert torch.allclose(output(theirs.model, family), output(ours.model, family), atol=1e-6)
    given = batch(family)
    loss(theirs.model, given).backward()
    loss(ours.model, given).backward()
    for place, layer in layers.items():
        assert torch.allclose(layer.lora_A["default"].weight.grad, parts.get_submodule(place).a.grad, atol=1e-6)
        assert torch.allclose(layer.lora_B["default"].weight.grad, parts.get_submodule(place).b.grad, atol=1e-6)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_ia3_scales_keys_values_and_the_feed_forward(family: str) -> None:
    attached = attach(base(family), "ia3", task="classify" if family == "bert" else "causal")
    attached.model.eval()
    move(attached, by=0.3)
    changes, scaled_bias = {}, {}
    for place, layer in peft_layers(attached).items():
        scale, weight = layer.ia3_l["default"].detach(), dense(family, place)
        feed = place.endswith(("down_proj", "output.dense"))
        changes[place] = weight * (scale.reshape(1, -1) if feed else scale.reshape(-1, 1))
        if not feed and family == "bert":
            scaled_bias[place] = scale.flatten()
    ends = {"llama": {"k_proj", "v_proj", "down_proj"}, "bert": {"key", "value", "dense"}}[family]
    assert {place.rsplit(".", 1)[1] for place in changes} == ends
    assert not [place for place in changes if "attention.output" in place]
    by_hand = patched(family, changes)
    with torch.no_grad():
        for place, scale in scaled_bias.items():
            by_hand.get_submodule(place).bias.mul_(scale)
    if family == "bert":
        by_hand.classifier.load_state_dict(
            attached.model.base_model.model.classifier.modules_to_save["default"].state_dict()
        )
    assert torch.allclose(output(by_hand, family), output(attached.model, family), atol=1e-5)


def test_fake_quantisation_by_hand() -> None:
    # b = 3: Δ = 0.9 / (2² − 1) = 0.3, so the grid is 0, ±0.3, ±0.6, ±0.9
    x = torch.tensor([0.9, -0.5, 0.14, 0.16, -0.9, 0.0, 0.46])
    assert torch.allclose(fake_quantise(x, 3), torch.tensor([0.9, -0.6, 0.0, 0.3, -0.9, 0.0, 0.6]))
    # b = 2: Δ = 0.9, signs alone
    assert torch.allclose(fake_quantise(x, 2), torch.tensor([0.9, -0.9, 0.0, 0.0, -0.9, 0.0, 0.9]))
    assert torch.equal(fake_quantise(torch.zeros(3), 4), torch.zeros(3))
    torch.manual_seed(0)
    weights = torch.randn(64, 64)
    for bits in (2, 4, 8):
        rounded = fake_quantise(weights, bits)
        step = weights.abs().max() / (2 ** (bits - 1) - 1)
        assert (rounded - weights).abs().max() <= step / 2 * 1.0001
        assert len(torch.unique((rounded / step).round())) <= 2**bits - 1
        assert torch.allclose(fake_quantise(rounded, bits), rounded)


def test_the_gradient_passes_straight_through() -> None:
    x = torch.tensor([0.9, -0.5, 0.14], requires_grad=True)
    (fake_quantise(x, 3) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert torch.equal(x.grad, torch.tensor([1.0, 2.0, 3.0]))


def test_the_merged_weight_lies_on_the_grids_product(tmp_path: Path) -> None:
    attached = attach(base("llama"), "lora_fake_quant", {"bits": 4, "targets": ("q_proj",)}, task="causal")
    move(attached, by=0.2)
    parts = attached.model.trivium_adapters["default"].parts
    low = parts.get_submodule("model.layers.1.self_attn.q_proj")
    delta = 2.0 * fake_quantise(low.b, 4) @ fake_quantise(low.a, 4)
    merged = attached.merge()
    assert torch.allclose(
        merged.model.layers[1].self_attn.q_proj.weight, dense("llama", "model.layers.1.self_attn.q_proj") + delta
    )
    assert torch.equal(
        merged.model.layers[1].self_attn.k_proj.weight, dense("llama", "model.layers.1.self_attn.k_proj")
    )


class Heads(torch.nn.Module):
    """What the attention function asks of a module."""

    def __init__(self, causal: bool, groups: int) -> None:
        super().__init__()
        self.is_causal = causal
        self.num_key_value_groups = groups


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("masked", ["none", "causal", "float", "bool", "bias"])
def test_attention_with_a_prefix_by_hand(gated: bool, masked: str) -> None:
    torch.manual_seed(1)
    module = Heads(masked == "causal", 2)
    query, key, value = torch.randn(2, 4, 3, 8), torch.randn(2, 2, 3, 8), torch.randn(2, 2, 3, 8)
    prefix = (torch.randn(2, 5, 8), torch.randn(2, 5, 8))
    gate = torch.rand(2, 3, 1)
    module.__dict__["trivium_prefix"] = (lambda: prefix, (lambda: gate) if gated else None)
    mask = bias = None
    allowed = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    if masked == "causal":
        allowed = allowed.tril()
    elif masked in ("float", "bool"):
        allowed[0, :, :, 0] = False
        mask = (
            allowed
            if masked == "bool"
            else torch.zeros(2, 1, 3, 3).masked_fill(~allowed, torch.finfo(torch.float32).min)
        )
    elif masked == "bias":
        bias = torch.randn(1, 4, 3, 3)
    found, weights = attention_with_prefix(module, query, key, value, mask, scaling=0.3, position_bias=bias)
    assert weights is None
    for row in range(2):
        for head in range(4):
            for place in range(3):
                g = gate[row, place, 0] if gated else torch.tensor(1.0)
                scores = [0.3 * query[row, head, place] @ (g * k) for k in prefix[0][head // 2]]
                values = [g * v for v in prefix[1][head // 2]]
                for other in range(3):
                    if allowed[row, 0, place, other]:
                        score = 0.3 * query[row, head, place] @ key[row, head // 2, other]
                        scores.append(score + (bias[0, head, place, other] if bias is not None else 0))
                        values.append(value[row, head // 2, other])
                shares = torch.stack(scores).softmax(0)
                assert torch.allclose(found[row, place, head], shares @ torch.stack(values), atol=1e-5)


VIRTUAL = ["prefix", "p_tuning_v2", "prompt", "p_tuning"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("name", VIRTUAL)
def test_peft_reads_virtual_tokens_and_computes_the_same(family: str, name: str, tmp_path: Path) -> None:
    attached = attached_to(family, name, tmp_path)
    move(attached)
    attached.save(tmp_path / "saved")
    theirs = peft.PeftModel.from_pretrained(base(family), str(tmp_path / "saved")).eval()
    ids = batch(family)["input_ids"]
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    logits = output(theirs, family, given=given)
    assert torch.allclose(logits[:, -7:], output(attached.model, family, given=given), atol=1e-5)
    options = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    assert torch.equal(theirs.generate(**given, **options), attached.model.generate(**given, **options))


def test_peft_reads_every_folder_of_peft(tmp_path: Path) -> None:
    for name in ("lora", "rslora", "dora", "adalora", "ia3"):
        attached = attached_to("llama", name, tmp_path)
        move(attached)
        attached.save(tmp_path / name)
        theirs = peft.PeftModel.from_pretrained(base("llama"), str(tmp_path / name)).eval()
        given = {"input_ids": batch("llama")["input_ids"]}
        assert torch.equal(output(theirs, "llama", given=given), output(attached.model, "llama", given=given))


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
def test_a_prompt_is_vectors_before_the_embedded_tokens(family: str, tmp_path: Path) -> None:
    attached = attached_to(family, "prompt", tmp_path)
    move(attached)
    given = batch(family)
    found = output(attached.model, family, given=given)
    vectors = attached.model.trivium_adapters["default"].parts.get_submodule("prompt")()
    plain = base(family)
    if family == "bert":
        plain.classifier.load_state_dict(attached.model.classifier.state_dict())
    embedded = torch.cat((vectors.expand(2, -1, -1), plain.get_input_embeddings()(given["input_ids"])), 1)
    mask = torch.ones(2, 12, dtype=torch.long)
    with torch.no_grad():
        if family == "bert":
            hidden = plain.bert(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
            wanted = plain.classifier(plain.bert.pooler(hidden[:, 5:]))
        elif family == "t5":
            wanted = plain(inputs_embeds=embedded, attention_mask=mask, labels=given["labels"]).logits
        else:
            wanted = plain(inputs_embeds=embedded, attention_mask=mask).logits[:, 5:]
    assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("name", ["houlsby", "pfeiffer", "mam"])
def test_adapters_stand_before_the_residual_is_added(name: str, tmp_path: Path) -> None:
    """With W_up zero an adapter adds its bias, which the layer before it could add as well."""
    attached = attached_to("bert", name, tmp_path)
    plain, shift = base("bert"), torch.linspace(-1, 1, 64)
    attached.switch(None)
    attached.switch("default")
    prefix_off = name == "mam"
    if prefix_off:  # its prefix, put away
        for place in attached.model.bert.encoder.layer:
            place.attention.self.__dict__.pop("trivium_prefix")
    with torch.no_grad():
        for module in attached.model.trivium_adapters.modules():
            if isinstance(module, Bottleneck):
                module.up.bias.copy_(shift)
        for layer in plain.bert.encoder.layer:
            layer.output.dense.bias += shift * (4 if name == "mam" else 1)
            if name == "houlsby":
                layer.attention.output.dense.bias += shift
    assert torch.allclose(output(attached.model, "bert"), output(plain, "bert"), atol=1e-5)


def test_a_bottleneck_by_hand() -> None:
    torch.manual_seed(0)
    bottleneck = Bottleneck(6, 2, "relu", scale=3.0)
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.copy_(torch.randn_like(parameter))
    h = torch.randn(4, 6)
    inner = (h @ bottleneck.down.weight.T + bottleneck.down.bias).clamp(min=0)
    assert torch.allclose(bottleneck(h), h + 3 * (inner @ bottleneck.up.weight.T + bottleneck.up.bias), atol=1e-6)


def test_fusion_by_hand() -> None:
    torch.manual_seed(0)
    fusion, h, outputs = Fusion(6), torch.randn(6), torch.randn(3, 6)
    q, k, v = (getattr(fusion, kind).weight for kind in ("query", "key", "value"))
    scores = torch.stack([(q @ h) @ (k @ z) for z in outputs]).softmax(0)
    assert torch.allclose(fusion(h, outputs), sum(s * (v @ z) for s, z in zip(scores, outputs, strict=True)), atol=1e-5)
    assert fusion.distance() < 1e-9
    with torch.no_grad():
        v[0, 1] += 2.0
    assert fusion.distance().item() == pytest.approx(4.0, rel=1e-4)


def test_adapter_fusion_starts_between_its_members(tmp_path: Path) -> None:
    """With both members alike, any weighting of them is that member."""
    member = attached_to("llama", "pfeiffer", tmp_path)
    move(member, by=0.2)
    member.save(tmp_path / "one")
    folders = [str(tmp_path / "one")] * 2
    fused = attach(base("llama"), "adapter_fusion", {"adapters": folders, "regularise": 0.5}, task="causal")
    fused.model.eval()
    assert torch.allclose(output(fused.model, "llama"), output(member.model, "llama"), atol=1e-4)
    assert not [name for name in fused.trained() if "bank" in name]
    assert fused.penalty().item() < 1e-8
    move(fused)
    assert fused.penalty().item() > 1.0


def test_adapter_drop_leaves_out_the_first_layers(tmp_path: Path) -> None:
    fixed = attach(base("llama"), "adapter_drop", {"reduction": 4, "drop": 1}, task="causal")
    assert {name.split(".layers.")[1][0] for name in fixed.trained()} == {"1"}
    assert fixed.formula() == 2 * 16 * 64 + 64 + 16
    robust = attach(base("llama"), "adapter_drop", {"reduction": 4, "inference": 1}, task="causal")
    whole = attach(base("llama"), "adapter_drop", {"reduction": 4}, task="causal")
    for each in (robust, whole):
        each.model.eval()
        move(each)
    only_second = attach(base("llama"), "pfeiffer", {"reduction": 4}, task="causal")
    only_second.model.eval()
    move(only_second)
    assert torch.equal(output(whole.model, "llama"), output(only_second.model, "llama"))
    with torch.no_grad():
        for parameter in (
            only_second.model.trivium_adapters["default"].parts.get_submodule("model.layers.0").parameters()
        ):
            parameter.zero_()
    assert torch.equal(output(robust.model, "llama"), output(only_second.model, "llama"))
    whole.model.train()
    torch.manual_seed(0)
    outcomes = {output(whole.model, "llama")[0, 0, 0].item() for _ in range(12)}
    assert len(outcomes) == 2  # n = 0 and n = 1, drawn for each batch


def test_adalora_moves_its_budget_to_the_target() -> None:
    attached = attach(
        base("llama"),
        "adalora",
        {"rank": 4, "target_rank": 2, "warmup": 0.1, "final": 0.3, "interval": 1},
        task="causal",
    )
    optimiser = torch.optim.AdamW(attached.trained().values(), lr=1e-2)
    layers = peft_layers(attached)

    def left() -> int:
        return sum(int((layer.lora_E["default"] != 0).sum()) for layer in layers.values())

    counts = []
    for step in range(1, 31):
        attached.model.train()
        loss(attached.model, batch("llama")).backward()
        optimiser.step()
        attached.on_step(step, 30)
        optimiser.zero_grad()
        counts.append(left())
    assert counts[0] == 4 * len(layers)
    assert counts[-1] == 2 * len(layers)
    assert counts == sorted(counts, reverse=True) or min(counts) == counts[-1]


def test_adaloras_penalty_is_pefts() -> None:
    attached = attach(base("llama"), "adalora", task="causal")
    move(attached)
    attached.model.eval()
    given = batch("llama")
    with torch.no_grad():
        with_labels = attached.model(**given).loss
        plain = attached.model.base_model.model(**given).loss
    assert attached.penalty().item() == pytest.approx(float(with_labels - plain), rel=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
def test_qlora_starts_from_the_base_in_four_bits(family: str, tmp_path: Path) -> None:
    bits = pytest.importorskip("bitsandbytes", reason="the extra 'tune' is not installed")
    attached = attached_to(family, "qlora", tmp_path)
    start = output(attached.model, family)
    layers = {n: m for n, m in attached.model.named_modules() if isinstance(m, bits.nn.Linear4bit)}
    assert layers
    assert all(layer.weight.dtype == torch.uint8 and layer.weight.quant_state.nested for layer in layers.values())
    assert all(layer.weight.quant_state.quant_type == "nf4" for layer in layers.values())
    # by hand: the same base with each weight rounded to NF4 and back
    rounded = base(family)
    with torch.no_grad():
        for name in layers:
            place = name.removeprefix("base_model.model.").removesuffix(".base_layer")
            own = rounded.get_submodule(place)
            transposed = type(own).__name__ == "Conv1D"
            weight = (own.weight.T if transposed else own.weight).contiguous()
            packed, state = bits.functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
            back = bits.functional.dequantize_4bit(packed, state)
            assert 0 < (back - weight).abs().max() < 0.2 * weight.abs().max()
            own.weight.copy_(back.T if transposed else back)
    assert torch.allclose(output(rounded, family), start, atol=1e-5)
    # what is merged is dense, also after training and evaluating
    move(attached)
    tuned = output(attached.model, family)
    loss(attached.model.train(), batch(family)).backward()
    attached.model.eval()
    assert torch.equal(output(attached.model, family), tuned)
    merged = attached.merge().eval()
    assert not [m for m in merged.modules() if isinstance(m, bits.nn.Linear4bit)]
    merged.save_pretrained(tmp_path / "dense")
    again = type(merged).from_pretrained(tmp_path / "dense").eval()
    assert (output(again, family) - tuned).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["prefix", "p_tuning_v2", "mam", "unipelt", "houlsby", "lora_fake_quant", "lora"])
def test_rows_that_are_trees_see_their_own_branch(name: str, tmp_path: Path) -> None:
    """Two samples with a common beginning in one row, under a mask of (1, 1, T, T), are the two apart."""
    attached = attached_to("llama", name, tmp_path)
    move(attached)
    one, two = batch("llama")["input_ids"][:, :6].tolist()
    two[:3] = one[:3]
    tree = torch.tensor([one + two[3:]])
    branch = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    seen = (branch[:, None] == branch[None]) | (branch[None] == 0)
    given = {
        "input_ids": tree,
        "position_ids": torch.tensor([[0, 1, 2, 3, 4, 5, 3, 4, 5]]),
        "attention_mask": (seen & torch.ones(9, 9).tril().bool())[None, None],
        "use_cache": False,
    }
    together = output(attached.model, "llama", given=given)[0]
    first = output(attached.model, "llama", given={"input_ids": torch.tensor([one])})[0]
    second = output(attached.model, "llama", given={"input_ids": torch.tensor([two])})[0]
    assert torch.allclose(together[:6], first, atol=1e-5)
    assert torch.allclose(together[6:], second[3:], atol=1e-5)


@pytest.mark.parametrize("name", ["prefix", "unipelt", "houlsby", "lora_fake_quant"])
def test_the_configuration_names_no_attention_of_ours(name: str, tmp_path: Path) -> None:
    attached = attached_to("llama", name, tmp_path)
    assert "trivium" not in attached.model.config.to_json_string()
    assert "trivium" not in copy.deepcopy(attached.model.config).to_json_string()
    kind = base("llama").config._attn_implementation
    attached.switch(None)
    assert attached.model.config._attn_implementation == kind


def test_two_methods_of_our_own_on_one_base(tmp_path: Path) -> None:
    plain = output(base("llama"), "llama")
    saved = {}
    for name in ("houlsby", "prefix", "bitfit", "prompt", "lora_fake_quant"):
        family = "gpt2" if name == "bitfit" else "llama"
        made = attached_to(family, name, tmp_path)
        move(made)
        made.save(tmp_path / name)
        saved[name] = output(made.model, family)
    standing = load(base("llama"), tmp_path / "houlsby")
    standing.model.eval()
    for name in ("prefix", "prompt", "lora_fake_quant"):
        standing.add(tmp_path / name, name)
    for name in ("prompt", "default", "prefix", "lora_fake_quant", "prefix"):
        standing.switch(name)
        kind = "houlsby" if name == "default" else name
        assert torch.equal(output(standing.model, "llama"), saved[kind])
        assert standing.method.name == kind
    standing.switch(None)
    assert torch.equal(output(standing.model, "llama"), plain)
    standing.switch("lora_fake_quant")
    merged = standing.merge()
    assert (output(merged, "llama") - saved["lora_fake_quant"]).abs().max() < 1e-4

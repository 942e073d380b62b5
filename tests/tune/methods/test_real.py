"""The proofs on the embedded models: SmolLM2-135M-Instruct (causal) and MiniLM (two classes), with real text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")
pytest.importorskip("gguf", reason="the extra 'tune' is not installed")

from trivium.errors import ModelNotFound  # noqa: E402
from trivium.tune.methods import METHODS, attach, load  # noqa: E402

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """These models are worth two."""


@pytest.fixture(scope="module")
def chat() -> Path:
    from trivium.models.gguf_convert import converted_folder
    from trivium.models.pull import ensure

    try:
        return converted_folder(ensure("smollm2-135m-instruct"))
    except ModelNotFound as error:
        pytest.skip(f"the embedded chat model cannot be had here: {error}")


@pytest.fixture(scope="module")
def encoder() -> Path:
    from trivium.models.pull import ensure

    try:
        return ensure("all-minilm-l6-v2")
    except ModelNotFound as error:
        pytest.skip(f"the embedded encoder cannot be had here: {error}")


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> list[str]:
    articles = json.loads((shared_data / "squad" / "dev-v2.0.json").read_text("utf-8"))["data"]
    return [article["paragraphs"][0]["context"] for article in articles[:4]]


def causal(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def classifier(folder: Path) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).eval()


def tokens(folder: Path, texts: list[str], length: int) -> dict[str, Any]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = tokenizer(texts, truncation=True, max_length=length, padding=True, return_tensors="pt")
    return {key: given[key] for key in ("input_ids", "attention_mask")}


def logits(model: Any, given: dict[str, Any]) -> Any:
    with torch.no_grad():
        return model.eval()(**given).logits


def train(attached: Any, given: dict[str, Any], steps: int, rate: float) -> list[float]:
    optimiser = torch.optim.AdamW(attached.trained().values(), lr=rate)
    losses = []
    for step in range(1, steps + 1):
        attached.model.eval()  # without dropout, so that one loss can be compared with the next
        now = attached.model(**given).loss
        now.backward()
        optimiser.step()
        attached.on_step(step, steps)
        optimiser.zero_grad()
        losses.append(now.item())
    return losses


def proofs(name: str, make: Any, given: dict[str, Any], task: str, rate: float, tmp_path: Path) -> Any:
    unlabelled = {key: value for key, value in given.items() if key != "labels"}
    plain = logits(make(), unlabelled)
    torch.manual_seed(0)
    attached = attach(make(), name, task=task)
    if METHODS[name].exact:
        assert torch.equal(logits(attached.model, unlabelled), plain)
    assert sum(parameter.numel() for parameter in attached.trained().values()) == attached.formula()
    named = set(attached.trained())
    before = {key: value.detach().clone() for key, value in attached.model.state_dict().items() if key not in named}
    losses = train(attached, given, 5, rate)
    assert losses[-1] < losses[0]
    after = attached.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items() if "ranknum" not in key)
    tuned = logits(attached.model, unlabelled)
    assert not torch.equal(tuned, plain)
    attached.save(tmp_path)
    again = load(make(), tmp_path)
    assert torch.equal(logits(again.model, unlabelled), tuned)
    if METHODS[name].switchable and name != "qlora":
        attached.switch(None)
        assert torch.equal(logits(attached.model, unlabelled), plain)
        attached.switch("default")
        assert torch.equal(logits(attached.model, unlabelled), tuned)
    if METHODS[name].mergeable:
        merged = logits(again.merge(), unlabelled)
        scale = tuned.abs().max()
        assert (merged - tuned).abs().max() < 1e-4 * max(scale, 1.0)
        assert (merged.argmax(-1) == tuned.argmax(-1)).float().mean() > 0.999
    return attached


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("lora", 1e-3),
        ("qlora", 1e-3),
        ("lora_fake_quant", 1e-3),
        ("ia3", 1e-2),
        ("houlsby", 1e-3),
        ("prefix", 1e-4),
        ("prompt", 1e-2),
        ("unipelt", 1e-3),
    ],
)
def test_on_the_embedded_chat_model(name: str, rate: float, chat: Path, texts: list[str], tmp_path: Path) -> None:
    given = tokens(chat, texts[:2], 40)
    given["labels"] = given["input_ids"]
    attached = proofs(name, lambda: causal(chat), given, "causal", rate, tmp_path)
    ids = given["input_ids"][:1, :12]
    made = attached.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, min_new_tokens=6, do_sample=False
    )
    for _ in range(6):
        best = logits(attached.model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})[:, -1].argmax(-1)
        ids = torch.cat((ids, best[:, None]), 1)
    assert torch.equal(made, ids)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("bitfit", 1e-3), ("lora", 1e-3), ("pfeiffer", 1e-3), ("p_tuning_v2", 1e-2), ("p_tuning", 1e-3), ("mam", 1e-3)],
)
def test_on_the_embedded_encoder(name: str, rate: float, encoder: Path, texts: list[str], tmp_path: Path) -> None:
    given = tokens(encoder, texts, 48)
    given["labels"] = torch.tensor([0, 1, 0, 1])
    proofs(name, lambda: classifier(encoder), given, "classify", rate, tmp_path)


@pytest.mark.parametrize("name", ["prompt", "p_tuning", "prefix", "p_tuning_v2", "lora", "ia3"])
def test_the_chat_model_answers_with_what_was_saved(name: str, chat: Path, tmp_path: Path) -> None:
    from trivium.models.transformers_chat import TransformersChat
    from trivium.types import Message

    attached = attach(causal(chat), name, task="causal")
    attached.model.eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in attached.trained().values():
            parameter.add_(0.02 * torch.randn_like(parameter))
    attached.save(tmp_path)
    speaker = TransformersChat(chat, adapters={"mine": tmp_path})
    ask = [Message("user", "Name three rivers of France.")]
    said = speaker.complete(ask, max_tokens=12, adapter="mine").text
    tokenizer = transformers.AutoTokenizer.from_pretrained(chat)
    # an empty system turn, as every backend here sends it: without one this template brings its own
    turns = [{"role": "system", "content": ""}, {"role": "user", "content": ask[0].content}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = attached.model.generate(**ids, max_new_tokens=12, do_sample=False)
    text = tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert said.strip() == text.strip()
    assert said


def test_the_page_says_what_is_measured(chat: Path, encoder: Path) -> None:
    import importlib.util

    docs = Path(__file__).parents[3] / "docs"
    spec = importlib.util.spec_from_file_location("make_tuning_methods", docs / "make_tuning_methods.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    page = (docs / "tuning-methods.md").read_text("utf-8")
    assert made.table(causal(chat), classifier(encoder)) in page

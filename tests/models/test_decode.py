"""The decoders against direct sums and plain greedy decoding, on toy models with random weights."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from trivium.errors import ContextOverflow, UsageError
from trivium.models.fake import FakeChat
from trivium.types import Message

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.models.test_transformers_chat import make_folder  # noqa: E402

from trivium.models.decode.drafts import Drafting, Lookup, speculate  # noqa: E402
from trivium.models.decode.marginal import (  # noqa: E402
    marginal,
    rag_sequence,
    rag_token,
    sequence_logprob,
    token_logprob,
)
from trivium.models.decode.nearest import datastore, knn_greedy, mixed  # noqa: E402
from trivium.models.transformers_chat import TransformersChat  # noqa: E402

WORDS = 11
PROMPTS = ([1, 2, 3], [4, 5, 6, 7, 8], [9])
WEIGHTS = (0.5, 0.2, 0.3)


@pytest.fixture(scope="module")
def toy() -> Any:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.5,
        eos_token_id=None,
        bos_token_id=None,
    )
    with torch.inference_mode():
        yield transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> TransformersChat:
    return TransformersChat(make_folder(tmp_path_factory.mktemp("decode") / "tiny"))


def never(ids: Sequence[int]) -> bool:
    return False


def probabilities(model: Any, ids: Sequence[int]) -> Any:
    """Return p(next token) after each token, float64, by one run without a cache."""
    return model(input_ids=torch.tensor([list(ids)])).logits[0].double().softmax(-1)


def direct(model: Any, answer: Sequence[int]) -> tuple[float, float]:
    """Return p(answer) of RAG-Sequence and of RAG-Token, as the paper writes the sums."""
    steps = []
    for prompt in PROMPTS:
        rows = probabilities(model, [*prompt, *answer])
        steps.append([float(rows[len(prompt) + place - 1, token]) for place, token in enumerate(answer)])
    sequence = token = 0.0
    for weight, row in zip(WEIGHTS, steps, strict=True):
        product = weight
        for one in row:
            product *= one
        sequence += product
    token = 1.0
    for column in zip(*steps, strict=True):
        token *= sum(weight * one for weight, one in zip(WEIGHTS, column, strict=True))
    return sequence, token


@pytest.mark.parametrize("answer", [[3], [0, 10, 4], [7, 7, 7, 7, 2, 1]])
def test_the_marginals_are_the_direct_sums(toy: Any, answer: list[int]) -> None:
    sequence, token = direct(toy, answer)
    assert torch.tensor(sequence_logprob(toy, PROMPTS, WEIGHTS, answer)).exp() == pytest.approx(sequence, rel=1e-5)
    assert torch.tensor(token_logprob(toy, PROMPTS, WEIGHTS, answer)).exp() == pytest.approx(token, rel=1e-5)
    assert sequence_logprob(toy, PROMPTS, [5, 2, 3], answer) == pytest.approx(
        sequence_logprob(toy, PROMPTS, WEIGHTS, answer)
    )
    if len(answer) > 1:
        assert sequence != pytest.approx(token, rel=1e-3)  # else the test could not tell them apart


@pytest.mark.parametrize("logprob", [sequence_logprob, token_logprob])
def test_all_answers_of_a_length_sum_to_one(toy: Any, logprob: Any) -> None:
    total = sum(
        float(torch.tensor(logprob(toy, PROMPTS, WEIGHTS, pair)).exp())
        for pair in itertools.product(range(WORDS), repeat=2)
    )
    assert total == pytest.approx(1.0, abs=1e-5)


def test_rag_token_says_the_likeliest_token_of_the_mixture(toy: Any) -> None:
    done = rag_token(toy, PROMPTS, WEIGHTS, max_tokens=6, ended=never)
    said: list[int] = []
    for _ in range(6):
        rows = [w * probabilities(toy, [*p, *said])[-1] for p, w in zip(PROMPTS, WEIGHTS, strict=True)]
        said.append(int(sum(rows).argmax()))
    assert list(done.ids) == said
    assert done.logprob == pytest.approx(token_logprob(toy, PROMPTS, WEIGHTS, said), abs=1e-4)


def test_rag_sequence_says_the_likeliest_of_the_greedy_answers(toy: Any) -> None:
    done = rag_sequence(toy, PROMPTS, WEIGHTS, max_tokens=4, ended=never)
    answers = [rag_token(toy, [prompt], [1.0], max_tokens=4, ended=never).ids for prompt in PROMPTS]
    assert len(set(answers)) > 1
    best = max(answers, key=lambda answer: direct(toy, answer)[0])
    assert done.ids == best
    assert done.logprob == pytest.approx(float(torch.tensor(direct(toy, best)[0]).log()), abs=1e-4)


def test_an_answer_ends_where_it_is_told_to(toy: Any) -> None:
    whole = rag_token(toy, PROMPTS, WEIGHTS, max_tokens=6, ended=never).ids
    cut = rag_token(toy, PROMPTS, WEIGHTS, max_tokens=6, ended=lambda ids: len(ids) == 3).ids
    assert cut == whole[:3]


@pytest.mark.parametrize("weights", [[], [0.0, 0.0, 0.0], [1.0, -1.0, 1.0]])
def test_weights_that_are_none_are_refused(toy: Any, weights: list[float]) -> None:
    with pytest.raises(UsageError, match="weigh"):
        rag_token(toy, PROMPTS, weights, max_tokens=2, ended=never)


def test_one_passage_is_plain_greedy_decoding(chat: TransformersChat) -> None:
    messages = [Message("user", "How long is the warranty of the pump?")]
    plain = chat.complete(messages, max_tokens=12)
    for mode in ("token", "sequence"):
        done = marginal(chat, [messages], [3.0], mode=mode, max_tokens=12)
        assert done.text.rstrip("\ufffd") == plain.text
        assert done.usage.prompt_tokens == plain.usage.prompt_tokens
    with pytest.raises(ContextOverflow):
        marginal(chat, [[Message("user", "pump " * 3000)]], [1.0])
    with pytest.raises(UsageError, match="Give one of"):
        marginal(chat, [messages], [1.0], mode="both")


# -- drafts ---------------------------------------------------------------------------------------------------------


def plain(model: Any, prompt: Sequence[int], count: int) -> list[int]:
    ids = torch.tensor([list(prompt)])
    settings = transformers.GenerationConfig(max_new_tokens=count, do_sample=False)
    made = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    return made[0, ids.shape[1] :].tolist()


def test_the_look_up_gives_what_followed_the_longest_run() -> None:
    lookup = Lookup([[1, 2, 3, 4, 5], [9, 2, 3, 7, 8]])
    assert lookup.draft([0, 2, 3]) == [7, 8]  # the last place wins
    assert lookup.draft([1, 2, 3], 1) == [4]  # the longer run wins
    assert lookup.draft([4, 5]) == []
    assert lookup.draft([3]) == []
    assert Lookup([]).draft([1, 2, 3]) == []


@pytest.mark.parametrize("prompt", [*PROMPTS, [0, 1, 0, 1, 0, 1]])
@pytest.mark.parametrize("source", ["none", "wrong", "itself", "half"])
def test_speculation_says_what_greedy_decoding_says(toy: Any, prompt: list[int], source: str) -> None:
    expected = plain(toy, prompt, 40)
    pairs = [[a, b, (a * b + 1) % WORDS, a] for a in range(WORDS) for b in range(WORDS)]
    half = [*expected[:13], (expected[13] + 1) % WORDS, *expected[14:]]
    texts = {"none": [], "wrong": pairs, "itself": [expected], "half": [half, *pairs]}[source]
    done = speculate(toy, prompt, Lookup(texts), max_tokens=40, ended=never)
    assert list(done.ids) == expected
    assert done.calls == 40 - done.accepted
    if source == "none":
        assert done.drafted == 0
    if source == "wrong":
        assert done.drafted > done.accepted


def test_a_good_draft_saves_runs_of_the_model(toy: Any) -> None:
    prompt = [4, 5, 6, 7, 8]
    expected = plain(toy, prompt, 40)
    done = speculate(toy, prompt, Lookup([expected]), max_tokens=40, ended=never)
    assert done.calls < 40


def test_speculation_ends_where_plain_decoding_does(toy: Any) -> None:
    expected = plain(toy, [1, 2, 3], 40)
    for size in (1, 2, 9, 23):

        def ended(ids: Sequence[int], size: int = size) -> bool:
            return len(ids) == size

        done = speculate(toy, [1, 2, 3], Lookup([expected]), max_tokens=40, ended=ended)
        assert list(done.ids) == expected[:size]


def test_a_drafting_chat_says_what_the_chat_says(chat: TransformersChat) -> None:
    messages = [Message("user", "How long is the warranty of the pump?")]
    expected = chat.complete(messages, max_tokens=40)
    drafting = Drafting(chat, [expected.text, "Two years, and the seal one year."])
    done = drafting.complete(messages, max_tokens=40)
    assert done.text.rstrip("\ufffd") == expected.text
    assert done.usage == expected.usage
    assert "".join(drafting.stream(messages, max_tokens=40)) == done.text
    assert len(drafting.spent) == 2
    stop = expected.text[5:7]
    assert drafting.complete(messages, max_tokens=40, stop=[stop]).text == expected.text.split(stop, 1)[0]
    drawn = drafting.complete(messages, max_tokens=8, temperature=1.0, seed=4)
    assert drawn.text == chat.complete(messages, max_tokens=8, temperature=1.0, seed=4).text
    with pytest.raises(UsageError, match="transformers"):
        Drafting(FakeChat("x"), [])


# -- kNN-LM ---------------------------------------------------------------------------------------------------------


def test_without_weight_it_is_the_model_exactly(toy: Any) -> None:
    store = datastore(toy, PROMPTS[:2])
    out = toy(input_ids=torch.tensor([[3, 1, 4]]), output_hidden_states=True)
    row, state = out.logits[0, -1], out.hidden_states[-1][0, -1]
    assert torch.equal(mixed(row, state, store, weight=0.0), torch.log_softmax(row, dim=-1))
    for prompt in PROMPTS:
        assert list(knn_greedy(toy, prompt, store, weight=0.0, max_tokens=20, ended=never)) == plain(toy, prompt, 20)


def test_the_datastore_holds_each_state_with_what_followed(toy: Any) -> None:
    store = datastore(toy, [*PROMPTS, list(range(WORDS)) * 100])
    assert store.values[:6].tolist() == [2, 3, 5, 6, 7, 8]
    assert store.keys.shape == (2 + 4 + 0 + 1099, 16)
    states = toy(input_ids=torch.tensor([PROMPTS[1]]), output_hidden_states=True).hidden_states[-1][0]
    assert torch.allclose(store.keys[2:6], states[:-1], atol=1e-5)
    with pytest.raises(UsageError, match="datastore"):
        datastore(toy, [[1], []])


@pytest.mark.parametrize("weight", [0.25, 0.9, 1.0])
def test_the_mixture_is_the_papers_sum(toy: Any, weight: float) -> None:
    store = datastore(toy, PROMPTS[:2])
    out = toy(input_ids=torch.tensor([[3, 1, 4]]), output_hidden_states=True)
    row, state = out.logits[0, -1], out.hidden_states[-1][0, -1]
    found = mixed(row, state, store, weight=weight, k=3).exp()
    distances = sorted(
        (float(((key - state) ** 2).sum()), int(value)) for key, value in zip(store.keys, store.values, strict=True)
    )[:3]
    scale = sum(distance for distance, _ in distances) / 3
    shares = torch.tensor([-distance / scale for distance, _ in distances]).softmax(0)
    expected = (1 - weight) * row.softmax(-1)
    for share, (_, value) in zip(shares, distances, strict=True):
        expected[value] += weight * share
    assert torch.allclose(found, expected, atol=1e-5)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_state_that_was_seen_is_followed_by_what_followed_it(toy: Any) -> None:
    text = [1, 2, 3, 9, 5, 1, 7, 7, 2, 0]
    store = datastore(toy, [text])
    assert list(knn_greedy(toy, text[:3], store, weight=1.0, max_tokens=7, ended=never, k=1)) == text[3:]
    with pytest.raises(UsageError, match="from 0 to 1"):
        mixed(torch.zeros(WORDS), torch.zeros(16), store, weight=1.5)

"""The fakes keep the models' contracts, so that a test on a fake says something about the real thing."""

import json

import numpy as np
import pytest

from trivium.errors import ContextOverflow, UnknownName
from trivium.models.base import Chat, Embedder, Reranker
from trivium.models.fake import FakeChat, FakeEmbedder, FakeReranker
from trivium.types import Message

ASK = [Message("user", "How long is the warranty?")]


def test_the_fakes_fit_the_protocols():
    embedder: Embedder = FakeEmbedder()
    chat: Chat = FakeChat()
    reranker: Reranker = FakeReranker()
    assert (embedder.name, chat.name, reranker.name) == ("fake-embedder-64", "fake-chat", "fake-reranker")


def test_embedding_is_unit_deterministic_and_near_for_shared_words():
    texts = [
        "the warranty is two years",
        "warranty of two years",
        "苹果公司的产品保修",
        "产品保修两年",
        "",
        "!!!",
    ]
    vectors = FakeEmbedder().embed(texts)
    assert vectors.shape == (6, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(vectors, FakeEmbedder().embed(texts))
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > abs(vectors[0] @ vectors[2])
    assert vectors[2] @ vectors[3] > 0.4


def test_embedder_counts_and_spans():
    embedder = FakeEmbedder(8, unknown_rate=0.5)
    assert embedder.embed([]).shape == (0, 8)
    assert embedder.embed(["a", "b"]).shape == (2, 8)
    assert embedder.embed_query("a").shape == (8,)
    assert (embedder.calls, embedder.texts_embedded) == (3, 3)
    assert embedder.unknown_rate("anything") == 0.5
    text = "Hello, 世界 foo_bar!"
    assert [text[start:end] for start, end in embedder.token_spans(text)] == ["Hello", "世", "界", "foo_bar"]


def test_embedder_takes_lone_surrogates():
    assert FakeEmbedder().embed(["bad \udc80 byte"]).shape == (1, 64)


def test_chat_replies_records_and_streams_the_same_text():
    chat = FakeChat(lambda messages: f"You said: {messages[-1].content} 好的。")
    done = chat.complete(ASK)
    assert done.text == "You said: How long is the warranty? 好的。"
    assert done.finish_reason == "stop"
    assert done.usage.completion_tokens == chat.count_tokens(done.text)
    assert "".join(chat.stream(ASK)) == done.text
    assert [call.streamed for call in chat.calls] == [False, True]
    assert chat.calls[0].messages == tuple(ASK)


def test_chat_stops_at_stop_strings_and_at_the_token_limit():
    chat = FakeChat("one two. three four.")
    assert chat.complete(ASK, stop=["three"]).text == "one two. "
    cut = chat.complete(ASK, max_tokens=2)
    assert (cut.text, cut.finish_reason) == ("one two", "length")


def test_closing_a_stream_stops_it():
    chat = FakeChat("one two three four five six")
    stream = chat.stream(ASK)
    assert next(stream) == "one"
    stream.close()
    assert chat.pieces_streamed == 1


def test_chat_refuses_an_overlong_prompt_and_an_unknown_adapter():
    with pytest.raises(ContextOverflow) as caught:
        FakeChat("x", context=20).complete(ASK, max_tokens=15)
    assert (caught.value.tokens, caught.value.limit) == (6, 5)
    with pytest.raises(UnknownName, match="law"):
        FakeChat("x", adapters=["law"]).complete(ASK, adapter="medicine")
    assert FakeChat("x", adapters=["law"]).complete(ASK, adapter="law").text == "x"


def test_logprobs_cover_each_token():
    done = FakeChat("one two").complete(ASK, logprobs=3)
    assert "".join(token.token for token in done.logprobs) == done.text
    assert all(len(token.top) == 3 for token in done.logprobs)
    assert FakeChat("one two").complete(ASK).logprobs == ()


SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "reasons": {"type": "array", "items": {"$ref": "#/$defs/reason"}, "minItems": 2},
        "note": {"type": "string", "minLength": 3},
    },
    "required": ["verdict", "score", "reasons"],
    "additionalProperties": False,
    "$defs": {"reason": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
}


def test_schema_keeps_a_fitting_reply_and_replaces_another():
    good = json.dumps({"verdict": "no", "score": 2, "reasons": [{"text": "a"}, {"text": "b"}]})
    assert FakeChat(good).complete(ASK, schema=SCHEMA).text == good
    made = json.loads(FakeChat("I think so.").complete(ASK, schema=SCHEMA).text)
    assert made == {"verdict": "yes", "score": 1, "reasons": [{"text": ""}, {"text": ""}]}


def test_reranker_prefers_the_passage_that_shares_words():
    scores = FakeReranker().rerank("保修期多长", ["产品的保修期是两年", "今天天气很好", "warranty"])
    assert scores.shape == (3,)
    assert scores[0] > scores[1]
    assert scores[2] == 0
    assert FakeReranker().rerank("", ["a"]).tolist() == [0.0]

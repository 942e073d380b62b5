"""Remote chat against a scripted endpoint: what is sent, what is read, and each way to go wrong."""

import json
from dataclasses import replace

import pytest
from tests.models.loopback import Loopback, Reply, sse

from trivium.errors import ContextOverflow, RemoteError, UnknownName
from trivium.models import endpoint as endpoint_module
from trivium.models.base import Chat
from trivium.models.remote_chat import DEFAULT_CONTEXT, RemoteChat
from trivium.types import Message, Usage

ASK = [Message("system", "Be brief."), Message("user", "What is the capital of France?")]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def says(text, finish="stop", **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish} | more
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})


def piece(text=None, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 0.02)
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def chat(server) -> Chat:
    return RemoteChat(server.url, "big", context=4096, adapters={"law": "big-law"})


def test_a_completion(server, chat):
    server.script = [says("Paris.")]
    done = chat.complete(ASK, max_tokens=9, stop=["\n", ""])
    assert (done.text, done.finish_reason, done.usage) == ("Paris.", "stop", Usage(7, 3))
    request = server.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.body == {
        "model": "big",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASK[1].content}],
        "max_tokens": 9,
        "temperature": 0.0,
        "stop": ["\n"],
    }


def test_seed_adapter_and_name(server, chat):
    server.otherwise = lambda request: says("x")
    chat.complete(ASK, temperature=0.7, seed=5, adapter="law")
    assert server.requests[0].body["seed"] == 5
    assert server.requests[0].body["model"] == "big-law"
    with pytest.raises(UnknownName, match="law"):
        chat.complete(ASK, adapter="medicine")
    assert chat.name == f"{server.url}#big+law=big-law"


def test_logprobs(server, chat):
    tokens = [
        {"token": "Par", "logprob": -0.1, "top_logprobs": [{"token": "Par", "logprob": -0.1}]},
        {"token": "is", "logprob": -0.2, "top_logprobs": []},
    ]
    server.script = [says("Paris", logprobs={"content": tokens})]
    done = chat.complete(ASK, logprobs=3)
    assert server.requests[0].body["top_logprobs"] == 3
    assert [(token.token, token.logprob) for token in done.logprobs] == [("Par", -0.1), ("is", -0.2)]
    assert done.logprobs[0].top == {"Par": -0.1}


def test_a_stream(server, chat):
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    server.script = [sse(role, piece("Pa"), piece("ris"), piece(finish="stop"), {"choices": []})]
    assert list(chat.stream(ASK)) == ["Pa", "ris"]
    assert server.requests[0].body["stream"] is True


def test_a_stream_without_done_is_whole_when_it_says_so(server, chat):
    server.script = [sse(piece("Paris"), piece(finish="stop"), done=False)]
    assert list(chat.stream(ASK)) == ["Paris"]


def test_a_stream_that_just_ends_is_an_error(server, chat):
    server.script = [sse(piece("Par"), done=False)]
    with pytest.raises(RemoteError, match="in the middle"):
        list(chat.stream(ASK))


def test_a_server_that_does_not_stream_is_understood(server, chat):
    server.script = [says("Paris.")]
    assert list(chat.stream(ASK)) == ["Paris."]


@pytest.mark.parametrize(
    ("message", "tokens", "limit"),
    [
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4500 in the"
            " messages, 500 in the completion). Please reduce the length.",
            5000,
            4096,
        ),
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            9000,
            8192,
        ),
        (
            "'max_tokens' is too large: 500. This model's maximum context length is 4096 tokens and your request"
            " has 4000 input tokens",
            4000,
            3596,
        ),
        (
            "request (9031 tokens) exceeds the available context size (8192 tokens), try increasing it",
            9031,
            8192,
        ),
    ],
)
def test_an_overlong_prompt_is_told_with_the_endpoint_s_numbers(server, chat, message, tokens, limit):
    server.otherwise = lambda request: Reply({"error": {"message": message}}, 400)
    with pytest.raises(ContextOverflow) as caught:
        chat.complete(ASK, max_tokens=500)
    assert (caught.value.tokens, caught.value.limit) == (tokens, limit)
    with pytest.raises(ContextOverflow):
        list(chat.stream(ASK, max_tokens=500))


def test_another_400_is_no_overflow(server, chat):
    server.script = [Reply({"error": {"message": "temperature must be 1"}}, 400)]
    with pytest.raises(RemoteError, match="temperature must be 1"):
        chat.complete(ASK)


def test_the_other_name_of_the_limit_is_learnt(server, chat):
    refusal = {"error": {"message": "'max_tokens' is not supported. Use 'max_completion_tokens' instead."}}
    server.script = [Reply(refusal, 400), says("Paris"), says("Rome"), sse(piece("x", "stop"))]
    assert chat.complete(ASK, max_tokens=5).text == "Paris"
    assert chat.complete(ASK, max_tokens=5).text == "Rome"
    assert list(chat.stream(ASK, max_tokens=5)) == ["x"]
    assert [list(request.body)[2] for request in server.requests[1:3]] == ["max_completion_tokens"] * 2
    assert "max_tokens" not in server.requests[-1].body


def test_the_other_name_of_the_limit_is_learnt_by_a_stream(server, chat):
    refusal = {"error": {"message": "Use 'max_completion_tokens' instead."}}
    server.script = [Reply(refusal, 400), sse(piece("x", "stop"))]
    assert list(chat.stream(ASK)) == ["x"]


def test_a_schema_is_sent_and_its_answer_taken(server, chat):
    server.script = [says('{"city": "Paris"}')]
    assert chat.complete(ASK, schema=SCHEMA).text == '{"city": "Paris"}'
    form = server.requests[0].body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == SCHEMA


def test_a_refused_schema_is_asked_in_words_and_the_refusal_remembered(server, chat):
    server.script = [
        Reply({"error": {"message": "response_format is not supported"}}, 400),
        says('Sure:\n```json\n{"city": "Paris"}\n```'),
        says('The answer is {"city": "Rome"}, I think.'),
    ]
    assert json.loads(chat.complete(ASK, schema=SCHEMA).text) == {"city": "Paris"}
    assert json.loads(chat.complete(ASK, schema=SCHEMA).text) == {"city": "Rome"}
    assert ["response_format" in request.body for request in server.requests] == [True, False, False]
    assert '"required": ["city"]' in server.requests[1].body["messages"][0]["content"]


def test_an_ignored_schema_is_asked_in_words_then_complained_about_once(server, chat):
    server.script = [says("Paris!"), says('{"town": "Paris"}'), says('{"city": "Paris"}')]
    assert chat.complete(ASK, schema=SCHEMA).text == '{"city": "Paris"}'
    assert "lacks 'city'" in server.requests[2].body["messages"][-1]["content"]


def test_an_answer_that_never_fits_is_an_error_not_an_answer(server, chat):
    server.otherwise = lambda request: says("Paris!")
    with pytest.raises(RemoteError, match=r"form that was asked for.*not JSON"):
        chat.complete(ASK, schema=SCHEMA)
    assert len(server.requests) == 3


def test_a_cut_answer_is_handed_back_as_cut(server, chat):
    server.script = [says('{"city": "Par', "length")]
    assert chat.complete(ASK, schema=SCHEMA).finish_reason == "length"


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_schema_does_not_hide_other_faults(server, chat, status):
    server.otherwise = lambda request: Reply({}, status)
    with pytest.raises(RemoteError) as caught:
        chat.complete(ASK, schema=SCHEMA)
    assert caught.value.status == status
    assert all("response_format" in request.body for request in server.requests)


@pytest.mark.parametrize("answer", [{}, [], None, "text", {"choices": []}, {"choices": [{"message": None}]}])
def test_a_wrong_shape_is_an_error(server, chat, answer):
    server.script = [Reply(answer)]
    with pytest.raises(RemoteError, match="did not answer with a chat completion"):
        chat.complete(ASK)


def test_a_missing_content_is_empty(server, chat):
    server.script = [says(None)]
    assert chat.complete(ASK).text == ""


@pytest.mark.parametrize(
    ("row", "context"),
    [
        ({"max_model_len": 32768}, 32768),
        ({"context_window": 131072}, 131072),
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 8192}}, 2048),
        ({}, DEFAULT_CONTEXT),
        ({"max_model_len": "many", "meta": 5}, DEFAULT_CONTEXT),
    ],
)
def test_the_context_is_asked_for_once(server, row, context):
    server.otherwise = lambda request: Reply({"data": [{"id": "other", "max_model_len": 1}, {"id": "big"} | row]})
    chat = RemoteChat(server.url, "big")
    assert [chat.context, chat.context] == [context, context]
    assert [request.path for request in server.requests] == ["/v1/models"]


def test_an_endpoint_without_a_list_of_models_gets_the_default(server):
    server.otherwise = lambda request: Reply({}, 404)
    assert RemoteChat(server.url, "big").context == DEFAULT_CONTEXT


def test_tokens_are_estimated(chat):
    assert chat.count_tokens("") == 0
    assert chat.count_tokens("The capital, 北京.") == 7


@pytest.mark.real
def test_against_a_real_endpoint(monkeypatch):
    """llama.cpp's own server, on a loopback port: the same model with and without the wire."""
    from trivium.models import llama_engine
    from trivium.models.llama import LlamaChat
    from trivium.models.pull import ensure

    monkeypatch.setattr(llama_engine, "_SOCKET_PATH_LIMIT", 0)
    local = LlamaChat(ensure("smollm2-135m-instruct"), context=1024, prefix_cache=False)
    monkeypatch.setenv("TRIVIUM_API_KEY", local._engine._key)
    url = f"{local._engine._address}/v1"
    remote = RemoteChat(url, "any", context=1024)
    assert remote.complete(ASK, max_tokens=12) == replace(local.complete(ASK, max_tokens=12), model=remote.name)
    theirs, ours = (chat.complete(ASK, max_tokens=6, logprobs=2).logprobs for chat in (remote, local))
    assert theirs == ours
    assert "".join(remote.stream(ASK, max_tokens=12)) == local.complete(ASK, max_tokens=12).text
    assert "city" in json.loads(remote.complete(ASK, schema=SCHEMA | {"maxProperties": 1}, max_tokens=60).text)
    with pytest.raises(ContextOverflow) as caught:
        remote.complete([Message("user", "hi " * 1200)])
    assert (caught.value.limit, caught.value.tokens > 1200) == (1024, True)
    served = remote._endpoint.get("/models")["data"][0]["id"]
    assert RemoteChat(url, served).context == 1024
    monkeypatch.setenv("TRIVIUM_API_KEY", "wrong")
    with pytest.raises(RemoteError, match="TRIVIUM_API_KEY") as refused:
        RemoteChat(url, "any").complete(ASK)
    assert refused.value.status == 401
    local.close()

"""The cache of model calls: exact, shared, written first, and emptied without a trace."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trivium.errors import StoreFull, UsageError
from trivium.models.base import Chat, Embedder
from trivium.models.cache import CallCache, cached_chat, cached_embedder
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Message

ASK = [Message("user", "How long is the warranty?")]
SECRET = "The vault's code is heron-4417."


@pytest.fixture
def cache(tmp_path):
    cache = CallCache(tmp_path / "calls.sqlite")
    yield cache
    cache.close()


def run_python(code, *arguments, **options):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], **options)


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_the_same_call_is_made_once_and_comes_back_whole(cache):
    chat = FakeChat("Two years, 保修 \ud800.")
    cached: Chat = cached_chat(chat, cache)
    first = cached.complete(ASK, logprobs=2)
    again = cached_chat(chat, CallCache(cache.path)).complete(list(ASK), logprobs=2)
    assert first == again == chat.complete(ASK, logprobs=2)
    assert len(chat.calls) == 2
    assert (cached.name, cached.context, cached.count_tokens("a b")) == (chat.name, chat.context, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 9},
        {"temperature": 0.5},
        {"stop": ["x"]},
        {"schema": {"type": "string"}},
        {"logprobs": 1},
        {"adapter": "law"},
        {"messages": [Message("system", ASK[0].content)]},
        {"messages": [Message("user", ASK[0].content + " ")]},
        {"messages": [*ASK, Message("assistant", "")]},
    ],
    ids=str,
)
def test_another_call_is_another_entry(cache, change):
    chat = FakeChat("yes", adapters=["law"])
    cached = cached_chat(chat, cache)
    cached.complete(ASK)
    options = dict(change)
    cached.complete(options.pop("messages", ASK), **options)
    assert len(chat.calls) == 2


def test_another_model_is_another_entry(cache):
    one, two = FakeChat("one", name="one"), FakeChat("two", name="two")
    assert [cached_chat(chat, cache).complete(ASK).text for chat in (one, two)] == ["one", "two"]


def test_the_order_of_a_schema_s_properties_counts(cache):
    chat = FakeChat()
    cached = cached_chat(chat, cache)
    a, b = {"type": "string"}, {"type": "integer"}
    for properties in ({"a": a, "b": b}, {"b": b, "a": a}):
        cached.complete(ASK, schema={"type": "object", "properties": properties})
    assert len(chat.calls) == 2


def test_seeds_count_only_above_temperature_0(cache):
    chat = FakeChat("yes")
    cached = cached_chat(chat, cache)
    for seed in (1, 2, 1):
        cached.complete(ASK, temperature=0.7, seed=seed)
    assert len(chat.calls) == 2
    for seed in (1, 2):
        cached.complete(ASK, seed=seed)
    assert len(chat.calls) == 3


def test_a_stream_is_stored_when_it_ended_and_not_before(cache):
    chat = FakeChat("one two three")
    cached = cached_chat(chat, cache)
    broken = cached.stream(ASK)
    assert next(broken) == "one"
    broken.close()
    assert chat.pieces_streamed == 1
    assert len(cache) == 0
    assert list(cached.stream(ASK)) == ["one", " two", " three"]
    assert list(cached.stream(ASK)) == ["one two three"]
    assert len(chat.calls) == 2


def test_a_stream_takes_a_completion_s_text_but_not_the_other_way(cache):
    chat = FakeChat("one two three")
    cached = cached_chat(chat, cache)
    cached.complete(ASK)
    assert list(cached.stream(ASK)) == ["one two three"]
    list(cached.stream(ASK, max_tokens=2))
    done = cached.complete(ASK, max_tokens=2)
    assert done.finish_reason == "length"
    assert done.usage.prompt_tokens > 0


def test_an_error_is_not_stored(cache):
    class Broken(FakeChat):
        def complete(self, messages, **options):
            super().complete(messages, **options)
            raise RuntimeError("boom")

    chat = Broken("x")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            cached_chat(chat, cache).complete(ASK)
    assert (len(chat.calls), len(cache)) == (2, 0)


def test_threads_that_ask_the_same_pay_once(cache):
    def slowly(messages):
        time.sleep(0.1)
        return "yes"

    chat = FakeChat(slowly)
    cached = cached_chat(chat, cache)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda n: cached.complete([Message("user", str(n % 2))]).text, range(16)))
    assert texts == ["yes"] * 16
    assert len(chat.calls) == 2
    assert cache._underway == {}


def test_only_missing_texts_are_embedded_each_once(cache):
    fake = FakeEmbedder(16)
    cached: Embedder = cached_embedder(fake, cache)
    texts = [f"text {n % 400}" for n in range(600)]
    np.testing.assert_array_equal(cached.embed(texts), FakeEmbedder(16).embed(texts))
    assert fake.texts_embedded == 400
    more = cached_embedder(fake, CallCache(cache.path)).embed(["new", "text 1", "new"])
    np.testing.assert_array_equal(more, FakeEmbedder(16).embed(["new", "text 1", "new"]))
    assert fake.texts_embedded == 401
    assert cached.embed([]).shape == (0, 16)


def test_an_interrupted_embedding_keeps_what_was_done(cache):
    class Stops(FakeEmbedder):
        def embed(self, texts):
            if self.texts_embedded >= 256:
                raise KeyboardInterrupt
            return super().embed(texts)

    texts = [f"text {n}" for n in range(600)]
    with pytest.raises(KeyboardInterrupt):
        cached_embedder(Stops(16), cache).embed(texts)
    fake = FakeEmbedder(16)
    cached_embedder(fake, cache).embed(texts)
    assert fake.texts_embedded == 600 - 256


def test_queries_and_passages_are_kept_apart_and_models_too(cache):
    class Prefixed(FakeEmbedder):
        def embed_query(self, text):
            return super().embed_query("query " + text)

    fake = Prefixed(16)
    cached = cached_embedder(fake, cache)
    assert not np.array_equal(cached.embed(["ship"])[0], cached.embed_query("ship"))
    calls = fake.calls
    np.testing.assert_array_equal(cached.embed_query("ship"), fake.embed_query("ship"))
    assert fake.calls == calls + 1
    assert cached_embedder(FakeEmbedder(8), cache).embed(["ship"]).shape == (1, 8)
    assert (cached.dimension, cached.max_tokens, cached.token_spans("a b"), cached.unknown_rate("a")) == (
        16,
        256,
        [(0, 1), (2, 3)],
        0.0,
    )


def test_a_full_cache_needs_no_embedder(cache):
    cached_embedder(FakeEmbedder(16), cache).embed(["ship"])

    class Gone(FakeEmbedder):
        def __init__(self):
            super().__init__(16)
            del self.dimension

        def embed(self, texts):
            raise AssertionError("it was asked")

    assert cached_embedder(Gone(), cache).embed(["ship"]).shape == (1, 16)


@pytest.mark.parametrize("size", [0, 3, 8])
def test_unreadable_vectors_are_made_anew(cache, size):
    fake = FakeEmbedder(16)
    cached = cached_embedder(fake, cache)
    expected = cached.embed(["a", "b"])
    cache._run("UPDATE calls SET value = zeroblob(?) WHERE rowid = 1", [size])
    np.testing.assert_array_equal(cached.embed(["a", "b"]), expected)
    assert fake.texts_embedded == 4
    np.testing.assert_array_equal(cached.embed(["a", "b"]), expected)
    assert fake.texts_embedded == 4


def test_prompts_are_not_on_the_disk(cache, tmp_path):
    cached_chat(FakeChat("No."), cache).complete([Message("user", SECRET)], stop=[SECRET])
    cached_embedder(FakeEmbedder(), cache).embed([SECRET])
    assert SECRET.encode() not in all_bytes(tmp_path)


def test_forgetting_a_tag_deletes_without_a_trace(cache, tmp_path):
    chat = FakeChat(SECRET)
    both = cached_chat(chat, cache, tags=["document-1", "document-2"])
    both.complete(ASK)
    cached_chat(FakeChat("harmless"), cache, tags=["document-2"]).complete([Message("user", "other")])
    assert SECRET.encode() in all_bytes(tmp_path)
    assert cache.forget("document-1") == 1
    assert cache.forget("document-1") == 0
    assert SECRET.encode() not in all_bytes(tmp_path)
    both.complete(ASK)
    assert len(chat.calls) == 2
    assert cache.forget("document-2") == 2
    assert len(cache) == 0


def test_an_entry_used_again_for_another_document_goes_with_either(cache):
    chat = FakeChat("yes")
    cached_chat(chat, cache, tags=["a"]).complete(ASK)
    cached_chat(chat, cache, tags=["b"]).complete(ASK)
    cached_embedder(FakeEmbedder(), cache, tags=["a"]).embed(["x", "y"])
    cached_embedder(FakeEmbedder(), cache, tags=["b"]).embed(["y"])
    assert len(chat.calls) == 1
    assert cache.forget("b") == 2
    assert cache.forget("a") == 1


def test_purging_by_model_and_age(cache):
    for name in ("one", "two"):
        cached_chat(FakeChat("x", name=name), cache, tags=["t"]).complete(ASK)
    assert cache.purge(model="none") == 0
    assert cache.purge(before=time.time() - 60) == 0
    assert cache.purge(model="one") == 1
    assert cache.purge(before=time.time() + 1) == 1
    assert cache.forget("t") == 0


@pytest.mark.parametrize("where", ["whole", "middle", "empty table"])
def test_an_unsound_file_is_set_aside_with_a_warning(tmp_path, caplog, where):
    path = tmp_path / "calls.sqlite"
    cache = CallCache(path)
    cached_chat(FakeChat("x" * 100_000), cache).complete(ASK)
    cache.close()
    if where == "whole":
        path.write_bytes(b"this is no database at all " * 500)
    elif where == "middle":
        content = bytearray(path.read_bytes())
        content[4096:-4096] = os.urandom(len(content) - 8192)
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE calls")
    chat = FakeChat("fresh")
    with caplog.at_level(logging.WARNING):
        again = CallCache(path)
        assert cached_chat(chat, again).complete(ASK).text == "fresh"
        assert cached_chat(chat, again).complete(ASK).text == "fresh"
    assert len(chat.calls) == 1
    assert "set aside" in caplog.text
    assert len(list(tmp_path.glob("*.unsound-*"))) >= 1


def test_a_file_that_breaks_while_it_is_open(cache, caplog):
    chat = FakeChat("x")
    cached = cached_chat(chat, cache)
    for n in range(200):
        cached.complete([Message("user", str(n))])
    cache._run("PRAGMA wal_checkpoint(TRUNCATE)")
    with cache.path.open("r+b") as file:
        file.write(os.urandom(cache.path.stat().st_size))
    other = cached_chat(chat, CallCache(cache.path))
    assert other.complete(ASK).text == "x"
    assert "set aside" in caplog.text


def test_a_newer_version_is_set_aside_and_another_program_s_file_is_left(tmp_path, caplog):
    path = tmp_path / "calls.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert len(CallCache(path)) == 0
    assert "of the version 99" in caplog.text
    foreign = tmp_path / "mail.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mail (text)")
    before = foreign.read_bytes()
    with pytest.raises(UsageError, match="another program"):
        CallCache(foreign)
    assert foreign.read_bytes() == before


def test_an_unreadable_entry_is_made_anew(cache, caplog):
    chat = FakeChat("x")
    cached = cached_chat(chat, cache)
    for broken in (b"{", b"[]", b'{"text": 1}'):
        cached.complete(ASK)
        cache._run("UPDATE calls SET value = ?", [broken])
    assert cached.complete(ASK).text == "x"
    assert len(chat.calls) == 4
    assert "made anew" in caplog.text


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull, match="cannot be used"):
        CallCache(tmp_path / "file" / "calls.sqlite")
    with pytest.raises(StoreFull, match="unable to open"):
        CallCache(tmp_path)


def test_a_full_disk_is_an_error_not_a_loss_later(cache):
    cache._run("PRAGMA max_page_count = 10")
    with pytest.raises(StoreFull, match="full"):
        cached_chat(FakeChat("x" * 200_000), cache).complete(ASK)
    assert cached_chat(FakeChat("x"), cache).complete(ASK).text == "x"


RUN = """
    import os, sys, time
    from concurrent.futures import ThreadPoolExecutor
    from trivium.models.cache import CallCache, cached_chat
    from trivium.models.fake import FakeChat
    from trivium.types import Message
    path, log, threads, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])

    def reply(messages):
        time.sleep(pause)
        with open(log, "a") as file:  # one line for each call that is paid for
            file.write(messages[-1].content + "\\n")
        return "answer to " + messages[-1].content

    chat = cached_chat(FakeChat(reply), CallCache(path))
    with ThreadPoolExecutor(threads) as pool:
        for text in pool.map(lambda n: chat.complete([Message("user", str(n))]).text, range(50)):
            print(text, flush=True)
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_kill_9_in_the_middle_and_the_rerun_makes_only_the_missing_calls(tmp_path, threads):
    path, log = tmp_path / "calls.sqlite", tmp_path / "log"
    for kill_after in (1, 7, 20):
        child = run_python(RUN, path, log, threads, 0.01, stdout=subprocess.PIPE, text=True)
        for _ in range(kill_after):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        shown = kill_after + len(child.stdout.read().splitlines())
        child.wait()
        stored = len(CallCache(path))
        assert stored >= min(shown, 50), "an answer was used before it was stored"
    paid = len(log.read_text().splitlines())
    assert stored < 50, "it was never killed in the middle"
    done = run_python(RUN, path, log, threads, 0, stdout=subprocess.PIPE, text=True)
    out, _ = done.communicate(timeout=60)
    assert out.splitlines() == [f"answer to {n}" for n in range(50)]
    calls = log.read_text().splitlines()
    assert len(calls) - paid == 50 - stored
    assert len(calls) <= 50 + 3 * threads  # one each that was under way when a kill fell


def test_many_processes_share_one_file(tmp_path):
    code = """
        import sys
        from trivium.models.cache import CallCache, cached_chat, cached_embedder
        from trivium.models.fake import FakeChat, FakeEmbedder
        from trivium.types import Message
        cache = CallCache(sys.argv[1])
        chat = cached_chat(FakeChat(lambda m: m[-1].content.upper()), cache, tags=[sys.argv[2]])
        for n in range(60):
            assert chat.complete([Message("user", f"q{n}")]).text == f"Q{n}"
        cached_embedder(FakeEmbedder(), cache).embed([f"t{n}" for n in range(60)])
    """
    path = tmp_path / "calls.sqlite"
    children = [run_python(code, path, n, stderr=subprocess.PIPE) for n in range(4)]
    errors = [child.communicate(timeout=120)[1] for child in children]
    assert errors == [b""] * 4
    cache = CallCache(path)
    assert len(cache) == 60 + 60 + 1  # the dimension is an entry, too
    assert cache._run("PRAGMA integrity_check") == [("ok",)]
    assert not list(tmp_path.glob("*.unsound-*"))


def test_a_fork_has_a_connection_of_its_own(tmp_path):
    code = """
        import os, sys
        from trivium.models.cache import CallCache, cached_chat
        from trivium.models.fake import FakeChat
        from trivium.types import Message
        cache = CallCache(sys.argv[1])
        chat = cached_chat(FakeChat("x"), cache)
        chat.complete([Message("user", "parent")])
        child = os.fork()
        if child == 0:
            chat.complete([Message("user", "child")])
            os._exit(0 if len(cache) == 2 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert len(cache) == 2
    """
    child = run_python(code, tmp_path / "calls.sqlite", stderr=subprocess.PIPE)
    assert child.communicate(timeout=60)[1] == b""
    assert child.returncode == 0

from __future__ import annotations

import io
from functools import cached_property

import pytest
from rich.console import Console

from trivium.cli.ask import streaming
from trivium.cli.screen import Screen
from trivium.errors import RemoteError
from trivium.types import Answer, Message

REFUSAL = Answer("Who?", "The documents do not say.", refused=True)


def test_ask_json(run, kb) -> None:
    done = run("ask", "How long?", "--as", "user:a", "--k", "4", "--pattern", "naive", "--json")
    found = done.json
    assert done.status == 0
    assert set(found) == {"question", "text", "refused", "citations", "hits", "usage", "seconds"}
    assert found["citations"] == [
        {
            "marker": 1,
            "source": "/docs/[bold]warranty.pdf",
            "page": 3,
            "start": 0,
            "end": 26,
            "quote": "The warranty is 24 months.",
        }
    ]
    assert [set(hit) for hit in found["hits"]] == [{"chunk_id", "source", "page", "score", "found_by", "text"}]
    assert found["usage"] == {"prompt_tokens": 100, "completion_tokens": 8}
    assert found["seconds"] == {"retrieve": 0.1, "generate": 0.4, "total": 0.5}
    question, pattern, principals, options = kb.calls[-1][1]
    assert (question, pattern, principals, options["k"]) == ("How long?", "naive", ("user:a",), 4)


def test_ask_in_text(run, kb) -> None:
    out = run("ask", "How long?").out
    assert "It is 24 months [1]. It is blue. (unsupported)" in out
    assert "[1] /docs/[bold]warranty.pdf, page 3\n    “The warranty is 24 months.”" in out


def test_a_refusal_is_plain(run, kb) -> None:
    kb.answers = [REFUSAL]
    assert run("ask", "Who?").out == "The documents do not say.\n"


def test_an_unknown_pattern_is_refused_before_anything_is_opened(run, kb) -> None:
    done = run("ask", "How long?", "--pattern", "magic")
    assert done.status == 2
    assert "advanced" in done.err
    assert kb.calls == []


def test_model_specs_come_from_flags_and_environment(run, kb, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_CHAT", "env.gguf")
    run("ask", "x", "--embedder", "mine")
    options = kb.calls[0][1][1]
    assert (options["chat"], options["embedder"], options["reranker"]) == ("env.gguf", "mine", None)
    assert kb.calls[1] == ("fetch", [])
    run("ask", "x", "--chat", "flag.gguf")
    assert kb.calls[3][1][1]["chat"] == "flag.gguf"
    assert kb.calls[4] == ("fetch", ["embedding"])


class Terminal(Screen):
    """A screen that a person watches."""

    @cached_property
    def out(self) -> Console:
        return Console(file=io.StringIO(), force_terminal=True, width=60)


def test_pieces_stream_to_a_terminal_and_vanish() -> None:
    screen = Terminal()
    with streaming(screen) as on_text:
        assert on_text is not None
        on_text("It is ")
        on_text("[24] months")
    written = screen.out.file.getvalue()  # type: ignore[attr-defined]
    assert "[24] months" in written
    assert "\x1b[2K" in written  # erased again


def test_nothing_streams_without_a_terminal_or_with_json() -> None:
    with streaming(Screen()) as on_text:
        assert on_text is None
    with streaming(Terminal(as_json=True)) as on_text:
        assert on_text is None


def test_chat_keeps_the_turns(run, kb, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("How long?\n\nAnd then?\n/new\nWho?\n/quit\nnever read\n"))
    done = run("chat")
    assert done.status == 0
    asked = [call[1] for call in kb.calls if call[0] == "ask"]
    assert [question for question, *_ in asked] == ["How long?", "And then?", "Who?"]
    assert asked[0][-1]["history"] == ()
    assert asked[1][-1]["history"] == (
        Message("user", "How long?"),
        Message("assistant", "It is 24 months [1]. It is blue."),
    )
    assert asked[2][-1]["history"] == ()


def test_chat_outlives_errors_and_interrupted_answers(run, kb, monkeypatch) -> None:
    kb.answers = [RemoteError("The endpoint failed.", "Try again."), KeyboardInterrupt(), REFUSAL]
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\nc\n"))
    done = run("chat")
    assert done.status == 0
    assert "The endpoint failed. Try again." in done.err
    assert "Stopped." in done.err
    assert done.out == "The documents do not say.\n"


def test_chat_does_not_grow_without_bound(run, kb, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n" * 20))
    run("chat")
    assert max(len(call[1][-1]["history"]) for call in kb.calls if call[0] == "ask") == 12


@pytest.mark.parametrize("words", ["/help", "/nonsense"])
def test_chat_commands(run, kb, monkeypatch, words: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{words}\n"))
    assert "/quit" in run("chat").err

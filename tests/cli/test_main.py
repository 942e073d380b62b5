"""Exit statuses, error lines, and the promise that `--json` leaves one object on standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from trivium.errors import ModelNotFound, StoreNotFound

Run = Callable[..., object]


def test_help_has_an_example_for_every_command(run) -> None:
    overview = run("--help")
    assert overview.status == 0
    commands = [
        "add",
        "sync",
        "list",
        "remove",
        "verify",
        "export",
        "import",
        "ask",
        "chat",
        "search",
        "pull",
        "models",
        "patterns",
        "demo",
    ]
    for command in commands:
        assert f" {command} " in overview.out
        page = run(command, "--help")
        assert page.status == 0
        assert f"Example: trivium {command}" in page.out
        assert "--debug" in page.out


def test_no_arguments_is_help(run) -> None:
    assert run().out == run("--help").out


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("add",), ("ask",), ("ask", "x", "--k", "0"), ("search", "x", "--k", "many"), ("list", "--what")],
)
def test_wrong_usage_is_status_2_and_one_line(run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert "--help" in done.err


def test_wrong_usage_as_json(run) -> None:
    done = run("ask", "--json")
    assert (done.status, done.err) == (2, "")
    assert set(done.json) == {"error", "cure"}


def test_an_error_is_one_line_with_its_cure(run, kb, monkeypatch) -> None:
    kb.answers = [StoreNotFound("There is no base at [x].", "Make one."), ModelNotFound("No model.", "Pull it.")]
    done = run("ask", "how?")
    assert (done.status, done.out, done.err) == (1, "", "Error: There is no base at [x]. Make one.\n")
    done = run("ask", "how?", "--json")
    assert (done.status, done.err) == (1, "")
    assert done.json == {"error": "No model.", "cure": "Pull it."}


@pytest.mark.parametrize("flag", [("ask", "how?", "--debug"), ("--debug", "ask", "how?")])
def test_debug_shows_the_traceback(run, kb, flag: tuple[str, ...]) -> None:
    kb.answers = [RuntimeError("boom"), RuntimeError("boom\nboom")]
    done = run(*flag)
    assert done.status == 1
    assert "Traceback" in done.err
    done = run("ask", "how?")
    assert done.status == 1
    assert "Traceback" not in done.err
    assert "Unexpected RuntimeError: boom boom" in done.err
    assert "--debug" in done.err
    assert done.err.count("\n") == 1


def test_an_interrupt_is_status_130(run, kb) -> None:
    kb.answers = [KeyboardInterrupt(), KeyboardInterrupt()]
    done = run("ask", "how?")
    assert (done.status, done.out) == (130, "")
    assert done.err == "Error: Interrupted. What was finished is kept.\n"
    done = run("ask", "how?", "--json")
    assert (done.status, done.json["error"]) == (130, "Interrupted.")


@pytest.mark.parametrize("arguments", [("add", "x"), ("search", "x"), ("ask", "x")])
def test_native_noise_never_reaches_the_json(run, kb, arguments: tuple[str, ...]) -> None:
    def noise() -> None:
        os.write(1, b"native noise\n")
        sys.stdout.write("python noise\n")

    kb.noise = noise
    done = run(*arguments, "--json")
    assert done.status == 0
    assert done.json
    assert "native noise" in done.err
    assert "python noise" in done.err


def test_json_in_the_question_is_not_the_flag(run, kb) -> None:
    done = run("ask", "--", "--json")
    assert done.status == 0
    assert kb.calls[-1][1][0] == "--json"
    assert not done.out.startswith("{")


def test_an_argument_that_is_no_text_is_still_json(run, kb) -> None:
    assert "\udcff" in run("search", "caf\udcff é", "--json").json["question"]


def test_a_closed_pipe_is_quiet() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(0.5); from trivium.cli import main; main(['--help'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(30) == 141


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "trivium", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("trivium 0.")


def test_a_ctrl_c_that_a_compiled_module_wrapped_is_still_one() -> None:
    from trivium.cli.program import _was_interrupted

    wrapped = ImportError("initialization failed")
    wrapped.__cause__ = KeyboardInterrupt()
    assert _was_interrupted(wrapped)
    assert not _was_interrupted(ImportError("no such module"))

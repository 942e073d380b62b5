"""What can be evaluated: files of answers in the shapes that other systems write, endpoints, functions, choices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import trivium
from trivium.errors import ModelError, RemoteError, UnknownName, UsageError
from trivium.evaluate.run import ByExample, evaluate
from trivium.evaluate.scoring import scorer_of
from trivium.models.fake import FakeChat
from trivium.systems import OpenSystem, alone_system, asked, function_system, kind_of, open_system
from trivium.systems.stored import answer_from
from trivium.types import Answer, Example

EXAMPLE = Example("q1", "How long  is the warranty?", ("24 months",))


def ask(system: OpenSystem, example: Example = EXAMPLE) -> Answer:
    assert isinstance(system.ask, ByExample)
    return system.ask.answer(example)


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "q1", "answer": "24 months"}\n',
        '{"id": "q1", "prediction": "24 months"}\n\n',
        '{"question": "how long is the warranty?", "response": " 24 months "}\n',
        '{"q1": "24 months", "q2": "x"}',
        '{\n "q1": "24 months"\n}\n',
        'nonsense\n{"id": "q1", "output": "24 months", "other": 1}\n',
        '{"id": "q1", "answer": ["24 months", "two years"]}\n',
        '{"id": "q1", "answer": "24 months"}\n{"id": "q2", "answer": "torn',
    ],
)
def test_shapes_of_answers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    assert kind_of(str(path)) == "answers"
    assert ask(open_system(str(path))).text == "24 months"
    with pytest.raises(UsageError, match="holds no answer to the question other"):
        ask(open_system(str(path)), Example("other", "?"))


def test_passages_and_citations_of_other_systems() -> None:
    answer = answer_from(
        {
            "answer": "24 months [1]",
            "passages": [{"content": "It is 24 months.", "title": "handbook", "page": 3, "score": 0.9}, "plain text"],
            "citations": [{"quote": "24 months", "source": "handbook"}],
            "usage": {"prompt_tokens": 7},
            "seconds": 1.5,
        },
        "q",
    )
    assert [(hit.chunk.source, hit.chunk.text, hit.chunk.page) for hit in answer.hits] == [
        ("handbook", "It is 24 months.", 3),
        ("", "plain text", None),
    ]
    assert answer.citations[0].quote == "24 months"
    assert answer.usage.prompt_tokens == 7
    assert answer.seconds.total == 1.5
    assert answer_from("The documents do not say.", "q").refused
    assert answer_from({"refused": True}, "q").refused
    with pytest.raises(ModelError, match="no text of an answer"):
        answer_from({"score": 3}, "q")
    with pytest.raises(ModelError, match="no answer"):
        answer_from(None, "q")


def test_the_results_of_a_run_are_a_system(tmp_path: Path) -> None:
    first = evaluate([EXAMPLE], lambda q: Answer(q, "24 months", refused=False), tmp_path / "a", scorer=scorer_of())
    system = open_system(str(tmp_path / "a" / "results.jsonl"))
    again = evaluate([EXAMPLE], system.ask, tmp_path / "b", scorer=scorer_of())
    assert again.metrics == first.metrics


def test_choices_are_put_to_the_system_unless_the_question_shows_them() -> None:
    choices = Example("c", "Which gas?", ("oxygen",), choices=("oxygen", "helium"))
    assert asked(choices) == "Which gas?\nA. oxygen\nB. helium"
    assert asked(Example("y", "Is it so?", ("yes",), choices=("yes", "no"))) == "Is it so?"
    assert asked(Example("s", "Oxygen: oxygen or helium?", choices=("oxygen", "helium"))) == "Oxygen: oxygen or helium?"
    chat = FakeChat("oxygen")
    ask(alone_system("closed_book", chat), choices)
    assert "B. helium" in chat.calls[0].messages[-1].content


def test_names_that_name_nothing(tmp_path: Path) -> None:
    for spec in ("nothing", "file.jsonl", "ftp://host"):
        with pytest.raises(UsageError, match="names no system"):
            kind_of(spec)
    with pytest.raises(UnknownName, match="naive"):
        kind_of("pattern:none")
    with pytest.raises(UsageError, match="knowledge base"):
        open_system("naive", chat=FakeChat)
    with pytest.raises(UsageError, match="chat model"):
        open_system("closed_book")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I'm sorry, but I don't know.", True),
        ("很抱歉，我无法回答这个问题。", True),
        ("He said I don't know how to swim.", False),
        ("他说我不知道怎么办。", False),
        ("24 months", False),
    ],
)
def test_every_system_tells_a_refusal_from_an_answer(
    endpoint: object, tmp_path: Path, text: str, refused: bool
) -> None:
    said = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    endpoint.otherwise = lambda request: endpoint.reply(said)  # type: ignore[attr-defined]
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"id": "q1", "answer": text}) + "\n")
    systems = [
        open_system(str(path)),
        open_system(f"{endpoint.url}#m"),  # type: ignore[attr-defined]
        alone_system("closed_book", FakeChat(text)),
        function_system(lambda question: text),  # type: ignore[arg-type,return-value]
    ]
    for system in systems:
        answer = ask(system)
        assert (answer.text, answer.refused) == (text, refused), system.name
        scores = scorer_of()(Example("q1", EXAMPLE.question, unanswerable=True), answer).scores
        assert scores["correct"] == scores["rejected"] == float(refused)


def test_what_a_file_says_of_a_refusal_counts_before_its_words() -> None:
    assert not answer_from({"answer": "I don't know.", "refused": False}, "q").refused
    assert answer_from({"answer": "See the manual.", "refused": True}, "q").refused


def test_a_function_may_return_what_it_likes() -> None:
    assert ask(function_system(lambda q: f"{q}!")).text == "How long  is the warranty?!"  # type: ignore[arg-type,return-value]
    assert function_system(ask).settings["source"]


def test_the_library_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.evaluate import report as room

    monkeypatch.setattr(room, "write_plots", lambda of, *, abilities: [])
    calls: list[int] = []
    report = trivium.evaluate(
        [EXAMPLE, Example("u", "Who?", unanswerable=True)],
        lambda question: Answer(question, "24 months"),
        out=tmp_path / "run",
        progress=lambda at: calls.append(at.done),
    )
    assert report.metrics["correct"].mean == 0.5
    assert calls == [0, 1, 2]
    assert (tmp_path / "run" / "report.html").is_file()
    assert callable(trivium.evaluate)  # although rooms below `trivium.evaluate` are imported


@pytest.fixture
def endpoint() -> Iterator[object]:
    import importlib.util
    import sys

    path = Path(__file__).parents[1] / "models" / "loopback.py"
    spec = importlib.util.spec_from_file_location("loopback_of_systems", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    server = module.Loopback()
    server.reply = module.Reply
    yield server
    server.close()


def test_an_endpoint_that_dies_half_way(endpoint: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    said = {"choices": [{"message": {"content": "24 months"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    served = 0

    def otherwise(request: object) -> object:
        nonlocal served
        served += 1
        return endpoint.reply(said) if served <= 3 else endpoint.reply({"error": "out of memory"}, 500)  # type: ignore[attr-defined]

    endpoint.otherwise = otherwise  # type: ignore[attr-defined]
    system = open_system(f"{endpoint.url}#m", parallel=1)  # type: ignore[attr-defined]
    several = [Example(f"q{n}", f"How long is {n}?", ("24 months",)) for n in range(6)]
    report = evaluate(several, system.ask, tmp_path, scorer=scorer_of(), workers=1)
    assert report.asked == 3
    assert report.metrics["correct"].mean == 1.0
    assert len(report.errors) == 3
    assert "RemoteError" in report.errors[0].reason
    assert "out of memory" in report.errors[0].reason
    assert RemoteError.__name__ in json.loads((tmp_path / "results.jsonl").read_text().splitlines()[-1])["error"]
    endpoint.otherwise = lambda request: endpoint.reply(said)  # type: ignore[attr-defined]
    before = len(endpoint.requests)  # type: ignore[attr-defined]
    mended = evaluate(several, system.ask, tmp_path, scorer=scorer_of(), workers=1)
    assert mended.complete
    assert len(endpoint.requests) - before == 3  # type: ignore[attr-defined]

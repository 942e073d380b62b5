"""A whole comparison on a fake chat model: fair parts, a failed arm, interruption, the cache, the limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.advise.ask import Told
from trivium.advise.budget import Budget
from trivium.advise.measure import compare
from trivium.advise.parts import divide
from trivium.advise.prepare import Job, prepare
from trivium.advise.store import load
from trivium.advise.values import Comparison
from trivium.api import KnowledgeBase
from trivium.errors import UsageError
from trivium.models.fake import FakeChat, FakeEmbedder, FakeReranker
from trivium.types import Answer, Document, Example, Gold, Message

CITIES = {f"City{n}": f"River{n}" for n in range(40)}


def text_of(city: str) -> str:
    return f"{city} is a town in the valley. The river that flows through {city} is called {CITIES[city]}."


def examples() -> list[Example]:
    return [
        Example(
            f"q{n}", f"What is the river that flows through {city} called?", (river,),
            (Gold(f"{city}.md", text_of(city)),), language="en", tags=("even" if n % 2 else "odd",),
        )
        for n, (city, river) in enumerate(CITIES.items())
    ]  # fmt: skip


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    base = trivium.open(tmp_path_factory.mktemp("compare") / "kb", embedder=FakeEmbedder(256))
    base.add([Document(f"{city}.md", text_of(city)) for city in CITIES])
    return base


class Model:
    """Knows the rivers of even cities by heart, and reads those of all that it is shown."""

    def __init__(self) -> None:
        self.chats: list[FakeChat] = []

    def open(self, spec: str | None = None, **_: Any) -> FakeChat:
        self.chats.append(FakeChat(self._say))
        return self.chats[-1]

    @property
    def calls(self) -> int:
        return sum(len(chat.calls) for chat in self.chats)

    def _say(self, messages: Sequence[Message]) -> str:
        asked = messages[-1].content
        city = next(word.strip("?") for word in reversed(asked.split()) if word.startswith("City"))
        known = int(city.removeprefix("City")) % 2 == 0
        shown = f"{city} is called {CITIES[city]}" in asked
        return f"The river is called {CITIES[city]}." if known or shown else "I do not know."


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    found = Model()
    monkeypatch.setattr("trivium.advise.bench.open_chat", found.open)
    return found


def job(kb: KnowledgeBase, folder: Path, arms: Sequence[str] = (), **more: Any) -> Job:
    return prepare(
        examples(), arms=list(arms), index=kb, embedder=lambda: kb.embedder, folder=folder, **more
    )  # fmt: skip


def run(given: Job, **more: Any) -> Comparison:
    return compare(given.arms, given.bench, given.parts, given.folder, tuning=given.tuning, **more)


def test_parts_share_no_document_and_no_question() -> None:
    questions = examples()
    repeated = Example("again", questions[0].question, ("x",), (Gold("other.md", "x"),))
    parts = divide([*questions, repeated])
    where = {one.id: name for name in ("train", "validation", "test") for one in getattr(parts, name)}
    assert where["again"] == where["q0"]
    assert len(where) == 41
    assert len(parts.test) > len(parts.train) > 0
    assert parts == divide([*questions, repeated][::-1]) or {one.id for one in parts.test} == {
        one.id for one in divide([*questions, repeated][::-1]).test
    }


def test_what_nearly_repeats_a_test_question_with_its_answer_is_left_out() -> None:
    words = "Which of the many rivers of the northern valley flows past the old town hall of the city"
    questions = [Example(f"n{n}", f"{words} number {n}", ("x",), (Gold(f"{n}.md", "x"),)) for n in range(40)]
    parts = divide(questions)
    assert len(parts.leaked) > 10
    assert not {one.id for one in (*parts.train, *parts.validation)} & set(parts.leaked)
    others = [Example(one.id, one.question, (f"answer {one.id}",), one.evidence) for one in questions]
    assert divide(others).leaked == ()


def test_a_comparison_tells_the_roads_apart(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    given = job(kb, tmp_path / "run", ["advanced", "few_shot_nearest", "retrieve_only"])
    assert [arm.name for arm in given.arms] == ["closed_book", "advanced", "few_shot_nearest", "retrieve_only"]
    told: list[Told] = []
    found = run(given, tell=told.append)
    by_name = {arm.name: arm for arm in found.arms}
    n = len(given.parts.test)
    assert all(not arm.error and len(arm.values["correct"]) == n for arm in found.arms)
    even = sum(int(one.id[1:]) % 2 == 0 for one in given.parts.test) / n
    assert sum(by_name["closed_book"].values["correct"]) / n == pytest.approx(even)
    assert sum(by_name["advanced"].values["correct"]) == n
    assert by_name["advanced"].retrieves
    assert by_name["advanced"].disk_bytes
    assert by_name["advanced"].tokens > 0
    assert by_name["closed_book"].seconds.total > 0
    assert by_name["few_shot_nearest"].settings["shots"] in ("1", "2", "4", "8")
    assert {one.what for one in told} >= {"closed_book", "few_shot_nearest: 1 examples, on validation"}
    assert [one.document for one in found.questions] == [one.evidence[0].source for one in given.parts.test]
    assert load(given.folder) == found


def test_the_number_of_examples_is_chosen_without_the_test_part(
    kb: KnowledgeBase, model: Model, tmp_path: Path
) -> None:
    given = job(kb, tmp_path / "run", ["few_shot"])
    run(given)
    held = {one.question for one in given.parts.test}
    choices = sorted((given.folder / "choices").iterdir())
    assert len(choices) >= 2
    for folder in choices:
        text = (folder / "results.jsonl").read_text("utf-8")
        assert not any(question in text for question in held)


def test_a_second_run_asks_nothing(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    given = job(kb, tmp_path / "run", ["advanced", "few_shot"])
    first = run(given)
    calls = model.calls
    assert run(given) == first
    assert model.calls == calls


def test_arms_may_be_added_later(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    run(job(kb, tmp_path / "run", ["advanced"]))
    calls = model.calls
    again = job(kb, tmp_path / "run", ["advanced", "instructed"])
    found = run(again)
    assert [arm.name for arm in found.arms] == ["closed_book", "advanced", "instructed"]
    assert model.calls == calls + len(again.parts.test) + 1  # and one to warm it


def test_a_failed_arm_is_named_and_the_rest_goes_on(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    def broken(question: str) -> Answer:
        raise RuntimeError("the wire is cut")

    given = job(
        kb, tmp_path / "run", ["advanced", "closed_book+law"], adapters={"law": "x.gguf"}, callables={"mine": broken}
    )
    found = {arm.name: arm for arm in run(given).arms}
    assert "the wire is cut" in found["mine"].error
    assert "no adapter" in found["closed_book+law"].error.lower() or found["closed_book+law"].error
    assert not found["advanced"].error
    assert found["advanced"].values


def test_a_function_of_the_user_is_an_arm(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    def mine(question: str) -> Answer:
        city = question.split()[-2]
        return Answer(question, CITIES[city])

    found = {arm.name: arm for arm in run(job(kb, tmp_path / "run", ["closed_book"], callables={"mine": mine})).arms}
    assert set(found["mine"].values["correct"]) == {1.0}
    assert found["mine"].road == "other"


def test_an_interrupted_comparison_goes_on_where_it_was(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    given = job(kb, tmp_path / "run", ["advanced", "instructed"])

    def interrupt(at: Told) -> None:
        if at.what == "advanced" and at.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(given, tell=interrupt)
    calls = model.calls
    found = run(given)
    assert all(not arm.error for arm in found.arms)
    whole = (len(given.parts.test) + 1) * 3
    assert model.calls <= whole + 8  # those under way are asked again, and one call warms the arm again
    assert calls < model.calls


def test_other_settings_are_another_comparison(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    run(job(kb, tmp_path / "run", ["advanced"]))
    with pytest.raises(UsageError, match="settings"):
        run(job(kb, tmp_path / "run", ["advanced"], k=3))


def test_a_spent_budget_stops_the_arms_that_are_left(kb: KnowledgeBase, model: Model, tmp_path: Path) -> None:
    given = job(kb, tmp_path / "run", ["advanced"])
    budget = Budget(seconds=1e9)

    def spend(at: Told) -> None:
        if at.what == "closed_book" and at.done >= 5:
            budget.seconds = 0.0

    found = {arm.name: arm for arm in run(given, budget=budget, tell=spend).arms}
    assert "budget" in found["closed_book"].error
    assert "budget" in found["advanced"].error
    again = {arm.name: arm for arm in run(given).arms}
    assert not again["closed_book"].error


def test_next_steps_are_tried_on_validation_alone(
    kb: KnowledgeBase, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.advise.trials.open_reranker", lambda spec: FakeReranker())
    monkeypatch.setattr("trivium.advise.trials.FEWEST", 4)
    given = job(kb, tmp_path / "run", ["advanced"])
    found = run(given)
    assert {trial.kind for trial in found.trials} == {"rerank", "more_passages"}
    for trial in found.trials:
        assert trial.arm == "advanced"
        assert len(trial.before) == len(trial.after) == len(trial.points) == len(given.parts.validation)
    held = {one.question for one in given.parts.test}
    for folder in (given.folder / "trials").iterdir():
        assert not any(question in (folder / "results.jsonl").read_text("utf-8") for question in held)
    calls = model.calls
    assert run(given) == found
    assert model.calls == calls
    assert run(job(kb, tmp_path / "other", ["advanced"]), trying=False).trials == ()

"""The patterns that go round: search, read, search again with what was read; grade, correct, widen."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.patterns.conftest import MANUAL
from tests.patterns.scripted import scripted, step, steps

import trivium
from trivium.api import KnowledgeBase
from trivium.errors import UnknownName
from trivium.generate.choose import choose_one, choose_some
from trivium.generate.think import concludes, first_sentence
from trivium.generate.write_on import sentences_of, sure_of, unheard
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns import PATTERNS
from trivium.patterns.about import ABOUT
from trivium.patterns.routed import Destination, routed
from trivium.retrieve.difficulty import difficulty
from trivium.types import Answer, Completion, Document, Message, TokenLogprob, Usage

QUESTION = "How long is the warranty of the X-200 printer?"


def test_a_choice_is_one_of_the_list() -> None:
    asked = [Message("user", "?")]
    assert choose_one(asked, ("yes", "no"), FakeChat('{"choice": "no"}')).first == "no"
    assert choose_one(asked, ("yes", "no"), FakeChat("maybe")).first == "yes"  # the smallest value of the schema
    chat = FakeChat('{"choice": ["b", "a", "b"]}')
    assert choose_some(asked, ("a", "b", "c"), chat, most=3).chosen == ("b", "a")
    assert choose_some(asked, ("a", "b", "c"), FakeChat('{"choice": ["z"]}'), most=3).chosen == ()

    class Careless(FakeChat):
        def complete(self, messages: Any, **kwargs: Any) -> Any:
            return super().complete(messages, **{**kwargs, "schema": None})

    for said in ("Yes!", '{"choice": {"yes": 1}}', '{"choice": "maybe"}', "[]"):
        assert choose_one(asked, ("yes", "no"), Careless(said)).first == ""


def test_a_thought_is_one_sentence() -> None:
    assert first_sentence("The printer is new [1]. It is blue.") == "The printer is new."
    assert first_sentence(" \n") == ""
    assert concludes("So the answer is: 24 months.")
    assert concludes("因此答案是二十四个月。")
    assert not concludes("The lid must be opened.")


def test_a_round_searches_with_the_answer_before(kb: KnowledgeBase) -> None:
    said = iter(["The X-200 has a blue button for cleaning the print head.", "Press the blue button."])
    chat = FakeChat(lambda messages: next(said))
    question = "Is the X-200 printer with a button for dirty print?"
    answer = PATTERNS["iter_retgen"](question, chat=chat, index=kb)
    assert steps(answer, "draft")[0]["answer"].startswith("The X-200 has a blue button")
    first, second = steps(answer, "search")
    assert first["hits"] != second["hits"]
    assert answer.text.startswith("Press the blue button")
    assert len(chat.calls) == 2
    assert answer.usage.completion_tokens > FakeChat().count_tokens("Press the blue button.")


def test_a_round_that_refuses_is_the_last(kb: KnowledgeBase) -> None:
    answer = PATTERNS["iter_retgen"](QUESTION, chat=FakeChat("I do not know."), index=kb, rounds=4)
    assert len(steps(answer, "draft")) == 1
    assert answer.refused


def test_each_thought_is_searched_for(kb: KnowledgeBase) -> None:
    thoughts = ["The print head is cleaned with the blue button. And more.", "So the answer is: five seconds."]
    chat = scripted({"think": thoughts}, "The warranty lasts 24 months.")
    answer = PATTERNS["ircot"](QUESTION, chat=chat, index=kb, k=1)
    assert [one["thought"] for one in steps(answer, "think")] == [
        "The print head is cleaned with the blue button.", "So the answer is: five seconds.",
    ]  # fmt: skip
    assert len(steps(answer, "search")) == 2
    asked = chat.calls[1].messages[-1].content
    assert "Reasoning so far: The print head is cleaned with the blue button." in asked
    assert len(chat.calls) == 3
    # Cleaning was found by the thought, and joined by rank with what the question finds.
    whole = PATTERNS["ircot"](QUESTION, chat=scripted({"think": list(thoughts)}, "24 months."), index=kb, k=3)
    assert any("Cleaning" in hit.chunk.text for hit in whole.hits)


def test_reasoning_that_stands_still_is_stopped(kb: KnowledgeBase) -> None:
    chat = scripted({"think": "The warranty is long."}, "24 months.")
    assert len(steps(PATTERNS["ircot"](QUESTION, chat=chat, index=kb), "think")) == 2
    assert len(steps(PATTERNS["ircot"](QUESTION, chat=scripted({"think": " "}), index=kb), "think")) == 1


def grading(grades: Sequence[str], rewriting: str = "x") -> FakeChat:
    return scripted(
        {"grade": [json.dumps({"choice": grade}) for grade in grades], "rewrite": {"queries": [rewriting]}},
        "The warranty lasts 24 months.",
    )


def test_passages_graded_incorrect_are_not_read(kb: KnowledgeBase) -> None:
    chat = grading(["correct", "incorrect", "incorrect", "incorrect"])
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb)
    told = step(answer, "grade")
    assert (told["action"], told["how"]) == ("correct", "model")
    assert {hit.chunk.id for hit in answer.hits} == {id for id, grade in told["grades"].items() if grade == "correct"}
    assert steps(answer, "widen search") == []


def test_where_nothing_is_right_the_search_is_widened(kb: KnowledgeBase) -> None:
    chat = grading(["incorrect"] * 2, "cleaning of the print head, warranty of the X-200 printer")
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb, k=2)
    told = step(answer, "grade")
    assert told["action"] == "incorrect"
    assert step(answer, "widen search")["queries"] == ["cleaning of the print head, warranty of the X-200 printer"]
    assert set(told["grades"]).isdisjoint(hit.chunk.id for hit in answer.hits)


def test_ambiguous_passages_stay_and_others_come(kb: KnowledgeBase) -> None:
    answer = PATTERNS["crag"](QUESTION, chat=grading(["ambiguous"] * 5), index=kb, k=2)
    told = step(answer, "grade")
    assert told["action"] == "ambiguous"
    assert set(told["grades"]) <= {hit.chunk.id for hit in answer.hits}
    assert steps(answer, "widen search")


def test_a_small_model_does_not_grade(kb: KnowledgeBase) -> None:
    chat = FakeChat('{"answer": "24 months"}', name="Tiny-100M")
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb)
    told = step(answer, "grade")
    assert told["how"] == "evidence"
    assert told["grades"][answer.hits[0].chunk.id] == "correct"
    assert "incorrect" in told["grades"].values()


@pytest.mark.parametrize("pattern", ["ircot", "crag"])
def test_passages_of_others_are_in_no_prompt(pattern: str, kb: KnowledgeBase) -> None:
    chat = FakeChat(lambda messages: "It is the secret price.")
    PATTERNS[pattern]("What is the secret price of the X-200 printer for Ada?", chat=chat, index=kb)
    assert "7 dollars" not in str([call.messages for call in chat.calls])


GRANTED = {"reflect_need": {"choice": "yes"}, "reflect_relevant": {"choice": "yes"}}


def test_the_answer_that_reflects_best_is_given(kb: KnowledgeBase) -> None:
    replies = {
        **GRANTED,
        "grounded": ["The warranty lasts 24 months.", "The price is 99 dollars.", "保修期为二十四个月。"],
        "reflect_supported": [{"choice": "partially"}, {"choice": "fully"}, {"choice": "no"}],
        "reflect_useful": [{"choice": "2"}, {"choice": "5"}, {"choice": "5"}],
    }
    pieces: list[str] = []
    chat = scripted(replies)
    answer = PATTERNS["self_rag"](QUESTION, chat=chat, index=kb, on_text=pieces.append)
    told = steps(answer, "segment")
    assert [one["score"] for one in told] == [1.25, 2.5, 1.0 + 0.5]
    assert told[1]["answer"].rstrip(" [1].") == answer.text.rstrip(" [1].")
    assert "".join(pieces) == "The price is 99 dollars."
    assert len(chat.calls) == 13
    read = [call.messages[-1].content for call in chat.calls if call.messages[0].content.startswith("You answer")]
    assert all(content.count("<<<") == 1 for content in read)  # each from one passage alone


def test_what_no_passage_supports_is_refused(kb: KnowledgeBase) -> None:
    chat = scripted({**GRANTED, "reflect_supported": {"choice": "no"}})
    answer = PATTERNS["self_rag"](QUESTION, chat=chat, index=kb)
    assert answer.refused
    assert step(answer, "refuse") == {"reason": "no passage passed the reflection"}
    chat = scripted({"reflect_need": {"choice": "yes"}, "reflect_relevant": {"choice": "no"}})
    assert PATTERNS["self_rag"](QUESTION, chat=chat, index=kb).refused


def test_what_needs_no_document_gets_none(kb: KnowledgeBase) -> None:
    chat = scripted({"reflect_need": {"choice": "no"}}, "Four.")
    answer = PATTERNS["self_rag"]("What is two and two?", chat=chat, index=kb)
    assert (answer.text, answer.hits, answer.citations) == ("Four.", (), ())
    assert "<<<" not in str([call.messages for call in chat.calls])


def test_a_small_model_does_not_reflect(kb: KnowledgeBase) -> None:
    chat = FakeChat('{"answer": "24 months"}', name="Tiny-100M")
    answer = PATTERNS["self_rag"](QUESTION, chat=chat, index=kb)
    assert answer.text == "24 months [1]"
    assert step(answer, "reflect")["by"] == "rule"
    assert all(call.schema is None or "answer" in str(call.schema) for call in chat.calls)


@pytest.mark.parametrize(
    ("question", "level"),
    [
        ("Hello!", "none"), ("谢谢！", "none"), ("What is 12 * (3 + 4)?", "none"), ("12*3 = ?", "none"),
        ("Who is older, Annie Morton or Terry Richardson?", "several"),
        ("Were Scott Derrickson and Ed Wood of the same nationality?", "several"),
        ("Where was the director of film Ronnie Rocket born?", "several"),
        ("What is the place of birth of the composer of the song?", "several"),
        ("电影《红高粱》的导演的出生地是哪里？", "several"), ("苏轼和苏辙有什么区别？", "several"),
        ("How long is the warranty?", ""), ("Hello Kitty was created when?", ""), ("保修期多长？", ""),
        ("What does 12 mean?", ""), ("1" * 4000 + "+", ""),
    ],
)  # fmt: skip
def test_wording_tells_how_much_to_search(question: str, level: str) -> None:
    assert difficulty(question) == level


def test_each_difficulty_has_its_road(kb: KnowledgeBase) -> None:
    def told(question: str, chat: FakeChat) -> tuple[Any, Answer]:
        answer = PATTERNS["adaptive"](question, chat=chat, index=kb)
        assert answer.question == question
        return step(answer, "difficulty"), answer

    how, answer = told("Hello!", FakeChat("Hello."))
    assert (how, answer.hits) == ({"searches": "none", "how": "rule"}, ())
    how, answer = told("What costs more, the X-200 printer or its warranty?", FakeChat("The price is 99 dollars."))
    assert how == {"searches": "one", "how": "model"}  # the fake's smallest choice
    how, answer = told("Compare price and warranty of the X-200 printer.", FakeChat("The price is 99 dollars."))
    assert how == {"searches": "several", "how": "rule"}
    assert steps(answer, "think")
    how, answer = told(QUESTION, scripted({"difficulty": {"choice": "several"}}))
    assert how == {"searches": "several", "how": "model"}
    how, answer = told(QUESTION, FakeChat('{"answer": "24 months"}', name="Tiny-100M"))
    assert how == {"searches": "one", "how": "default"}
    assert answer.text == "24 months [1]"


def test_a_draft_is_checked_and_written_again(kb: KnowledgeBase) -> None:
    check = "What is the price of the X-200 printer?"
    replies = {
        "verify": {"queries": [check]},
        "grounded": ["The price is 7 dollars.", "The price is 99 dollars."],
        "revise": "The price is 99 dollars, and the warranty lasts 24 months.",
    }
    pieces: list[str] = []
    chat = scripted(replies)
    question = "What are price and warranty of the X-200 printer?"
    answer = PATTERNS["chain_of_verification"](question, chat=chat, index=kb, on_text=pieces.append)
    assert step(answer, "draft")["answer"].startswith("The price is 7 dollars")
    assert step(answer, "sub-question")["question"] == check
    last = [message.content for message in chat.calls[-1].messages]
    assert last[1:5] == [question, "The price is 7 dollars.", check, "The price is 99 dollars."]
    checking = chat.calls[2].messages
    assert "7 dollars" not in " ".join(message.content for message in checking)  # checked without the draft in view
    assert "".join(pieces) == "The price is 99 dollars, and the warranty lasts 24 months."
    assert len(chat.calls) == 4


def test_a_draft_without_checks_stands(kb: KnowledgeBase) -> None:
    answer = PATTERNS["chain_of_verification"](QUESTION, chat=FakeChat("The warranty lasts 24 months."), index=kb)
    assert step(answer, "verify")["objection"] == "nothing usable"
    assert answer.text == "The warranty lasts 24 months [1]."
    small = FakeChat('{"answer": "24 months"}', name="Tiny-100M")
    answer = PATTERNS["chain_of_verification"](QUESTION, chat=small, index=kb)
    assert step(answer, "verify")["objection"] == "the model extracts"
    assert (answer.text, len(small.calls)) == ("24 months [1]", 1)


def spoken(*tokens: tuple[str, float]) -> Completion:
    text = "".join(token for token, _ in tokens)
    return Completion(text, Usage(5, len(tokens)), "stop", tuple(TokenLogprob(t, math.log(p)) for t, p in tokens))


def test_a_sentence_is_as_sure_as_its_least_probable_token() -> None:
    said = spoken(("It", 0.9), (" lasts", 0.8), (" 24", 0.3), (" months", 0.9), (".", 0.1), (" It", 0.9), (" is.", 0.7))
    first, second = sentences_of(said)
    assert (first.text, second.text) == ("It lasts 24 months.", "It is.")
    assert first.least == pytest.approx(0.3)  # the full stop asserts nothing
    assert second.least == pytest.approx(0.7)
    assert first.surely(0.4) == "It lasts months"
    assert sure_of([second, first], 0.4) == 1
    assert unheard([first, second, first], [second.text]) == [first]
    [unknown] = sentences_of(Completion("It lasts."))
    assert unknown.least is None
    assert sure_of([unknown], 0.9) == 1


class Doubting(FakeChat):
    """Is unsure of whatever `doubts` names."""

    def __init__(self, said: list[str], doubts: str) -> None:
        super().__init__(lambda messages: said.pop(0) if said else "")
        self._doubts = doubts

    def complete(self, messages: Any, **kwargs: Any) -> Completion:
        done = super().complete(messages, **kwargs)
        tokens = tuple(
            replace(one, logprob=-3.0) if one.token.strip() in self._doubts.split() else one for one in done.logprobs
        )
        return replace(done, logprobs=tokens)


def test_an_unsure_sentence_is_searched_for_and_written_again(kb: KnowledgeBase) -> None:
    said = [
        "The warranty lasts 24 months. The blue button cleans the zebra.",
        "To clean the print head, press the blue button for five seconds.",
        "",
    ]
    pieces: list[str] = []
    chat = Doubting(said, "zebra")
    answer = PATTERNS["flare"](QUESTION, chat=chat, index=kb, k=2, on_text=pieces.append)
    assert [one.get("query") for one in steps(answer, "search")] == [None, "The blue button cleans the."]
    text = "The warranty lasts 24 months. To clean the print head, press the blue button for five seconds."
    assert "".join(pieces) == text
    assert answer.text == text.replace("months.", "months [1].").replace("seconds.", "seconds [2].")
    assert "Answer so far: The warranty lasts 24 months." in chat.calls[1].messages[-1].content
    assert any("Cleaning" in hit.chunk.text for hit in answer.hits)


def test_doubt_does_not_search_for_ever(kb: KnowledgeBase) -> None:
    chat = Doubting([f"The warranty number {n} lasts." for n in range(50)], "lasts")
    answer = PATTERNS["flare"](QUESTION, chat=chat, index=kb, searches=2)
    assert len(steps(answer, "search")) == 3
    assert len(chat.calls) == 5


def test_what_a_small_model_writes_without_support_is_not_the_answer(kb: KnowledgeBase) -> None:
    def reply(messages: Sequence[Message]) -> str:
        return "The zebra sleeps." if "go on where" in messages[0].content else '{"answer": "24 months"}'

    pieces: list[str] = []
    chat = FakeChat(reply, name="Tiny-100M")
    answer = PATTERNS["flare"](QUESTION, chat=chat, index=kb, on_text=pieces.append)
    assert step(answer, "give up")["said"] == "The zebra sleeps."
    assert answer.text == "".join(pieces) == "24 months [1]"


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    base = trivium.open(tmp_path_factory.mktemp("recipes") / "kb", embedder=FakeEmbedder(256))
    base.add([Document("soup.md", "The soup of lentils cooks for forty minutes with cumin and lemon.")])
    base.add([Document("hidden.md", "The warranty of the X-200 printer is the secret soup.")], ["user:ada"])
    return base


def test_a_question_goes_to_the_knowledge_base_it_is_about(kb: KnowledgeBase, recipes: KnowledgeBase) -> None:
    others = {"recipes": Destination(recipes, "how dishes are cooked")}

    def told(question: str, chat: FakeChat, **kwargs: Any) -> tuple[Any, Answer]:
        answer = routed(question, chat=chat, index=kb, others=others, about="printers", **kwargs)
        return next((one.detail for one in answer.trace if one.name == "routed"), None), answer

    soup = "How long does the soup of lentils cook?"
    where, answer = told(soup, FakeChat("It cooks for forty minutes."))
    assert where == {"to": "recipes", "by": "embedding"}
    assert [hit.chunk.source for hit in answer.hits] == ["soup.md"]
    where, _ = told("What do the recipes say of the printer?", FakeChat("x"))
    assert where == {"to": "recipes", "by": "rules"}
    chat = scripted({"route": {"choice": "recipes"}}, "It cooks for forty minutes.")
    where, answer = told(soup, chat, by=("model",))
    assert where == {"to": "recipes", "by": "model"}
    assert "recipes: how dishes are cooked" in chat.calls[0].messages[-1].content
    where, _ = told(soup, FakeChat("{}", name="Tiny-100M"), by=("model",))
    assert where == {"to": "documents", "by": "default"}
    where, answer = told("Hello!", FakeChat("Hello."))
    assert (where, answer.text, answer.hits) == (None, "Hello.", ())
    with pytest.raises(UnknownName, match="routing"):
        told(soup, FakeChat("x"), by=("luck",))


def test_what_an_asker_may_not_read_draws_no_question(kb: KnowledgeBase, recipes: KnowledgeBase) -> None:
    def nearest(principals: list[str] | None) -> Any:
        answer = routed(
            "Is the warranty of the X-200 printer the secret soup?",
            chat=FakeChat("x"), index=kb, others={"dishes": Destination(recipes)}, principals=principals,
        )  # fmt: skip
        return next(one["nearest"] for one in steps(answer, "route") if "nearest" in one)

    assert nearest(["user:ada"])["dishes"] > 0.9
    assert nearest(None)["dishes"] < 0.5


SECRET = "What is the secret price of the X-200 printer for Ada?"
STAGES = {
    **{name: {"queries": [f"{SECRET[:-1]} now?", "secret price"]} for name in ("multi_query", "decompose", "verify")},
    **{name: {"queries": ["secret price of the X-200 printer"]} for name in ("rewrite", "step_back")},
    "hyde": "The secret price of the X-200 printer for Ada is low.",
    "next_question": [{"done": False, "question": "Which secret price?"}, {"done": True, "question": ""}],
    "think": ["The secret price is for Ada.", "It is a secret price."],
    "grade": {"choice": "ambiguous"},
    "difficulty": {"choice": "several"},
    "self_query": {"choice": ['kind = "other"']},
    **GRANTED,
}
DRIVEN = (
    "rewrite", "hyde", "multi_query", "step_back", "decompose", "decompose_in_turn", "rm3", "self_query", "iter_retgen",
    "ircot", "crag", "self_rag", "adaptive", "chain_of_verification", "flare", "routed",
)  # fmt: skip


@pytest.mark.parametrize("pattern", DRIVEN)
@pytest.mark.parametrize("principals", [None, ["user:bob"], ["user:ada"]])
def test_no_stage_sees_what_the_asker_may_not_read(
    pattern: str, principals: list[str] | None, watched: Callable[[], Any]
) -> None:
    """Every stage is made to run, and asks for what only Ada may read."""
    index, chat = watched(), scripted(STAGES, "The price of the X-200 printer is 99 dollars.")
    answer = PATTERNS[pattern](SECRET, chat=chat, index=index, principals=principals)
    for name, _, kwargs in index.calls:
        if name not in ("vectors", "whole", "size"):
            assert kwargs["principals"] == principals, name
    told = [int(number) for number in re.findall(r"\d+", ABOUT[pattern].calls)]
    assert min(told) <= len(chat.calls) <= max(told)
    prompts_shown = str([call.messages for call in chat.calls])
    hits = {hit.chunk.source for hit in answer.hits}
    allowed = principals == ["user:ada"]
    assert ("7 dollars" in prompts_shown) == ("secret.md" in hits) == allowed
    assert "7 dollars" not in json.dumps([[one.name, one.detail] for one in answer.trace])


@pytest.mark.real
def test_every_flow_answers_with_the_embedded_model(tmp_path: Path) -> None:
    """A model of 135 million parameters follows hardly a prompt: each pattern still ends and cites the text."""
    base = trivium.open(tmp_path / "kb")
    base.add([Document("manual.pdf", MANUAL), Document("cards.md", "The memory card of the X-200 holds 64 gigabytes.")])
    base.load_models()
    question = "How many months does the warranty of the X-200 printer last?"
    held = 0
    for pattern in DRIVEN:
        answer = PATTERNS[pattern](question, chat=base.chat, index=base.snapshot())
        assert answer.text, pattern
        for citation in answer.citations:
            assert base.document_text(citation.document_id, citation.start, citation.end) == citation.quote
        held += "24 months" in " ".join([answer.text, *(citation.quote for citation in answer.citations)])
    assert held >= len(DRIVEN) - 2

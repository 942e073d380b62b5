"""Cases for the tests of the abilities, and readers that behave in one known way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from trivium.evaluate.abilities.ask import Answers, ask
from trivium.evaluate.abilities.check import says_all
from trivium.evaluate.abilities.values import Ask, Case, CaseSet, Reader
from trivium.types import Answer


def asking(folder: Path, reader: Reader, workers: int = 1) -> Ask:
    folder.mkdir(parents=True, exist_ok=True)
    return partial(ask, reader=reader, answers=Answers(folder), workers=workers)


def reader_of(cases: CaseSet, speak: Callable[[Case, Sequence[str]], str]) -> Reader:
    """A reader that knows the case of each question; it refuses where `speak` says nothing."""
    by_question = {case.question: case for case in cases.cases}

    def read(question: str, passages: Sequence[str]) -> Answer:
        text = speak(by_question[question], passages)
        return Answer(question, text or "The documents do not say.", refused=not text)

    return read


def truth(case: Case) -> str:
    return "; ".join(part[0] for part in case.parts)


def falsehood(case: Case) -> str:
    return "; ".join(part[0] for part in case.false)


def careful(case: Case, passages: Sequence[str]) -> str:
    """Give each part that a passage holds; refuse where none does."""
    have = "\n".join(passages)
    return "; ".join(part[0] for part in case.parts if says_all(have, [part]))


def first_only(case: Case, passages: Sequence[str]) -> str:
    """Read the first passage and no other."""
    return careful(case, passages[:1])


def credulous(case: Case, passages: Sequence[str]) -> str:
    """Know the truth, and say what the passages say where there are any."""
    return falsehood(case) if _falsified(case, passages) else truth(case)


def detective(case: Case, passages: Sequence[str]) -> str:
    """Know the truth and say so, with a warning where a passage is false."""
    warning = "There are factual errors in the documents. " if _falsified(case, passages) else ""
    return warning + truth(case)


def _falsified(case: Case, passages: Sequence[str]) -> bool:
    """Whether a passage is false; of a few, the falsified form is the true one."""
    return any(text in case.wrong and text not in case.positive for text in passages)

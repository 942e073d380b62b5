"""Human review of a question set: keep, edit or drop each question, stop at any time and go on later.

Every decision is written as it is made, to `NAME.review.jsonl` beside the questions; the last one on a question
counts. What was kept stands in `NAME.reviewed.jsonl`, which is drawn from the decisions whenever a review ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from trivium.errors import StoreFull, UsageError
from trivium.journal import Journal
from trivium.tasks.questions import write_questions
from trivium.types import Example

Choice = Literal["keep", "edit", "drop", "back", "quit"]
CHOICES: tuple[Choice, ...] = ("keep", "edit", "drop", "back", "quit")
_LASTING = ("keep", "edit", "drop")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about the question `id`; `question` and `answers` are those of an edited one."""

    id: str
    choice: Choice
    question: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewReport:
    """How far a review has come. `path` has the questions kept, edited ones as they were edited."""

    path: Path
    kept: int
    edited: int
    dropped: int
    left: int


def journal_of(path: str | os.PathLike[str]) -> Path:
    """Return where the decisions about a question set are kept."""
    place = Path(path)
    return place.with_name(f"{place.name}.review.jsonl")


def reviewed_path(path: str | os.PathLike[str]) -> Path:
    """Return where the questions that were kept are written, unless the caller says otherwise."""
    place = Path(path)
    return place.with_name(f"{place.stem}.reviewed.jsonl")


def review(
    examples: Sequence[Example],
    path: str | os.PathLike[str],
    *,
    decide: Callable[[Example, int, int], Choice],
    edit: Callable[[Example], Example] = lambda example: example,
    out: str | os.PathLike[str] | None = None,
) -> ReviewReport:
    """Ask about each question that is not decided yet, in order, until all are or `decide` says "quit".

    Args:
        examples: the question set, with ids that differ.
        path: its file: the decisions are kept beside it.
        decide: shows a question and returns the choice; gets its number, from 1, and how many there are. "back"
            returns to the one decided before.
        edit: returns the example as it shall be: its question and answers may change.
        out: where the kept questions go; None: `reviewed_path(path)`.

    Raises:
        UsageError: two questions have the same id; the record of decisions cannot be read.
        StoreFull: the decisions or the questions cannot be written.
    """
    ids = [example.id for example in examples]
    if len(set(ids)) < len(ids):
        twice = next(one for at, one in enumerate(ids) if one in ids[:at])
        raise UsageError(f"{path} has two questions with the id {twice!r}.", "Give each its own id.")
    journal = journal_of(path)
    decided = {one.id: one for one in read_decisions(journal)}
    order = [number for number, example in enumerate(examples) if example.id not in decided]
    history = [number for number, example in enumerate(examples) if example.id in decided]
    try:
        with Journal(journal, "Free some space.") as lines:
            while order:
                number = order[0]
                example = examples[number]
                choice = decide(example, number + 1, len(examples))
                if choice == "quit":
                    break
                if choice == "back":
                    if history:
                        order.insert(0, history.pop())
                    continue
                decision = Decision(example.id, choice)
                if choice == "edit":
                    changed = edit(_as_decided(example, decided.get(example.id)))
                    if (changed.question, changed.answers) == (example.question, example.answers):
                        continue  # nothing was edited: ask again
                    decision = Decision(example.id, choice, changed.question, changed.answers)
                lines.append(_line(decision))
                decided[example.id] = decision
                history.append(order.pop(0))
        return finish(examples, decided, Path(out) if out else reviewed_path(path))
    except OSError as error:
        raise StoreFull(f"{journal} cannot be written: {error.strerror or error}.", "Free some space.") from error


def finish(examples: Sequence[Example], decided: Mapping[str, Decision], out: Path) -> ReviewReport:
    """Write the questions that were kept, and count the decisions."""
    of = [(example, decided.get(example.id)) for example in examples]
    write_questions(out, [_as_decided(example, one) for example, one in of if one and one.choice != "drop"])
    return count(examples, decided, out)


def _as_decided(example: Example, decision: Decision | None) -> Example:
    if decision is None or decision.choice != "edit":
        return example
    return replace(example, question=decision.question, answers=decision.answers)


def count(examples: Sequence[Example], decided: Mapping[str, Decision], out: Path) -> ReviewReport:
    """Count the decisions on a question set."""
    choices = [decided[example.id].choice if example.id in decided else "" for example in examples]
    kept, edited, dropped = (choices.count(choice) for choice in _LASTING)
    return ReviewReport(out, kept, edited, dropped, choices.count(""))


def read_decisions(journal: Path) -> list[Decision]:
    """Return the decisions in the order they were made; a line that a kill left unfinished is passed over.

    Raises:
        UsageError: the file is something else.
    """
    if not journal.exists():
        return []
    decisions = []
    lines = journal.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last line feed is unfinished, or nothing
        try:
            value = json.loads(line)
            choice, question, answers = value["choice"], value.get("question", ""), value.get("answers", [])
            texts = [value["id"], question, *answers]
            if choice not in _LASTING or not all(isinstance(text, str) for text in texts) or isinstance(answers, str):
                raise ValueError(choice)
            decisions.append(Decision(value["id"], cast(Choice, choice), question, tuple(answers)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(
                f"{journal}:{number} is no decision of a review.", "Mend the line, or move the file away to begin anew."
            ) from None
    return decisions


def _line(decision: Decision) -> bytes:
    row: dict[str, object] = {"id": decision.id, "choice": decision.choice}
    if decision.choice == "edit":
        row |= {"question": decision.question, "answers": decision.answers}
    return (json.dumps(row) + "\n").encode()

"""Leave out of a training set what does harm: repetitions, empty and overlong samples, other languages, test rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from trivium.errors import UsageError
from trivium.tasks.leak import THRESHOLD, find_leaks
from trivium.tasks.records import Problem, count_problems
from trivium.tasks.training.parts import asked, label_of, question_of, said
from trivium.tasks.training.values import Sample, Text, TrainingSet
from trivium.text.language import detect
from trivium.types import Example

_WORD = re.compile(r"\w")
Test = Iterable[Sample | Example]


def clean(
    given: TrainingSet,
    *,
    duplicates: bool = True,
    near: float | None = None,
    contradictions: bool = False,
    shortest: int = 0,
    longest: int | None = None,
    count: Callable[[str], int] = len,
    languages: Sequence[str] = (),
    test: Test = (),
    leak: float = THRESHOLD,
) -> TrainingSet:
    """Return the set without the samples that the rules leave out; its report counts them, its problems name them.

    Args:
        given: a training set.
        duplicates: leave out a sample whose input and output an earlier one has, white space apart.
        near: leave out a sample as similar as that to an earlier one: Jaccard similarity of the shingles of input and
            output, 0 to 1; see `tasks.leak`.
        contradictions: leave out inputs that are there under several labels. They are counted in any case.
        shortest: the least length of input and output together, in the unit of `count`.
        longest: the greatest.
        count: the length of a text: characters by default; give a tokenizer's count for tokens.
        languages: the wanted ones, by ISO 639-1 code. A text whose language cannot be told stays.
        test: samples or questions that the set will be measured on: what is near to one of them is left out.
        leak: the similarity from which a sample counts as one of the test's.

    Raises:
        UsageError: no sample is left, or a threshold is not above 0 and at most 1.
    """
    out: dict[int, Problem] = {}
    notes: list[Problem] = []
    samples = given.samples

    def left() -> list[int]:
        return [place for place in range(len(samples)) if place not in out]

    def drop(place: int, kind: str, what: str) -> None:
        out.setdefault(place, Problem(samples[place].id, what, kind))

    for place, sample in enumerate(samples):
        _check_one(place, sample, shortest, longest, count, languages, drop)
    if duplicates:
        first: dict[tuple[str, str], int] = {}
        for place in left():
            earlier = first.setdefault(_key(samples[place]), place)
            if earlier != place:
                drop(place, "duplicate", f"repeats {samples[earlier].id}")
    if near is not None:
        for place, earlier in _near(samples, left(), near):
            if earlier not in out:
                drop(place, "near duplicate", f"is nearly {samples[earlier].id}")
    for places in _contradictory(samples, left()):
        others = f"has the input of {samples[places[0]].id} and another label"
        for place in places[1:] if not contradictions else places:
            if contradictions:
                drop(place, "contradiction", others if place != places[0] else "has an input with several labels")
            else:
                notes.append(Problem(samples[place].id, others, "contradiction"))
    for place, other in _leaked(samples, left(), test, leak):
        drop(place, "leaked", f"is in the test set: {other}")
    kept = tuple(samples[place] for place in left())
    found = [*out.values(), *notes]
    if not kept:
        reasons = ", ".join(f"{kind}: {number}" for kind, number in count_problems(found).items())
        raise UsageError(f"Nothing is left of {given.name} ({reasons or 'it has no sample'}).", "Loosen the rules.")
    report = {**given.report, **count_problems(found), "samples": len(kept)}
    return replace(given, samples=kept, report=report, problems=(*given.problems, *found))


def _check_one(
    place: int,
    sample: Sample,
    shortest: int,
    longest: int | None,
    count: Callable[[str], int],
    languages: Sequence[str],
    drop: Callable[[int, str, str], None],
) -> None:
    question, answer = asked(sample), said(sample)
    if not _WORD.search(question) or not (answer.strip() or isinstance(sample, Text) or not _needs_answer(sample)):
        drop(place, "empty", "has no word in its input, or no output")
        return
    if shortest or longest is not None:
        length = count(question) + count(answer)
        if length < shortest:
            drop(place, "too short", f"has a length of {length}, and {shortest} is the least")
        elif longest is not None and length > longest:
            drop(place, "too long", f"has a length of {length}, and {longest} is the greatest")
    if languages and (language := detect(question)) and language not in languages:
        drop(place, "wrong language", f"is in the language {language!r}, wanted: {', '.join(languages)}")


def _needs_answer(sample: Sample) -> bool:
    """An unanswerable question has no answer to learn but that there is none."""
    return not hasattr(sample, "starts")


def _key(sample: Sample) -> tuple[str, str]:
    return " ".join(asked(sample).split()), " ".join(said(sample).split())


def _near(samples: Sequence[Sample], places: list[int], threshold: float) -> list[tuple[int, int]]:
    """Return pairs of a sample and an earlier one that it is nearly equal to, in order."""
    texts = [f"{asked(samples[place])}\n{said(samples[place])}" for place in places]
    pairs = find_leaks(texts, texts, threshold=threshold)
    found = [(places[pair.right], places[pair.left]) for pair in pairs if pair.left < pair.right]
    return sorted(found)


def _contradictory(samples: Sequence[Sample], places: list[int]) -> list[list[int]]:
    """Return the places of each input that stands under several labels."""
    inputs: dict[str, list[int]] = {}
    for place in places:
        if label_of(samples[place]) is not None:
            inputs.setdefault(_input(samples[place]), []).append(place)
    return [of for of in inputs.values() if len({label_of(samples[place]) for place in of}) > 1]


def _input(sample: Sample) -> str:
    """The text that a label is of: a judged answer is a part of it."""
    answer = getattr(sample, "completion", "")
    return " ".join(f"{asked(sample)}\n{answer}".split())


def _leaked(samples: Sequence[Sample], places: list[int], test: Test, threshold: float) -> list[tuple[int, str]]:
    """Return the places of samples that the test set holds, each with what it is there.

    A prompt may hold more than the question: its last paragraph is compared too.
    """
    others = [(one.question, one.id) if isinstance(one, Example) else (asked(one), one.id) for one in test]
    if not others:
        return []
    rows: list[tuple[int, str]] = []
    for place in places:
        whole, question = asked(samples[place]), question_of(samples[place])
        tail = question.strip().rsplit("\n", 1)[-1]
        rows += [(place, text) for text in dict.fromkeys((whole, tail)) if text.strip()]
    # Each row of the right set is reported with some of the left: every sample is to be found, so they stand right.
    pairs = find_leaks([text for text, _ in others], [text for _, text in rows], threshold=threshold, most=1)
    return [(rows[pair.right][0], others[pair.left][1]) for pair in pairs]

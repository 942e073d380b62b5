"""Take the next best step, again and again: a search over the pipeline's settings that only believes what it measured.

Each round takes the changes that the failures of the current set-up call for, lets them race on validation questions
by successive halving (Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
optimization", arXiv:1502.07943), and accepts the winner only if the interval of its paired gain over the current
set-up is above 0. At the end the accepted set-up is compared once with the first one on the test part. Nothing is
accepted on the test part's evidence.

The folder holds every answer that was given (`trials/`), what was trained (`adapters/`), knowledge bases that were
cut anew (`cut/`), and the lineage (`lineage.json`): what was tried, kept and dropped, and why. A search that was
stopped or killed takes the same way again, and asks only what was not answered.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.advise.arms import TRAINED, arm_of
from trivium.advise.ask import Spent, Told, asked, plain, value_of
from trivium.advise.bench import Bench
from trivium.advise.budget import Budget
from trivium.advise.parts import Parts
from trivium.advise.setup import CURES, STEPS, Possible, Setup
from trivium.advise.train import Tuning, train_adapter
from trivium.errors import StoreFull, TriviumError
from trivium.evaluate import record as records
from trivium.evaluate.clustered import Compared, compared
from trivium.evaluate.failure import holders_of
from trivium.evaluate.results import read_results
from trivium.evaluate.summary import RIGHT
from trivium.index.durable import write_whole
from trivium.models.rerank import open_reranker
from trivium.tasks.split import documents_of
from trivium.types import Example, Score

if TYPE_CHECKING:
    from trivium.index import Index

LINEAGE = "lineage.json"
_FIRST = 24
"""Validation questions of the first heat."""


@dataclass(frozen=True, slots=True)
class Try:
    """A change that was tried.

    Attributes:
        round: from 1.
        step: a key of `setup.STEPS`.
        setup: in words.
        questions: validation questions that it was asked.
        gain: over the set-up before, paired; None where it failed.
        kept: whether it became the current set-up.
        because: why, or why not.
    """

    round: int
    step: str
    setup: str
    questions: int
    gain: Score | None
    kept: bool
    because: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """What an improvement came to.

    Attributes:
        first, last: the set-up before and after.
        validation: the mean of the metric of both, on validation.
        tries: in order.
        confirmed: the gain of `last` over `first` on the test part; None where nothing was accepted, or the budget
            was spent before.
        finished: whether no step was left; False where the budget was spent.
        metric: by which set-ups were compared.
    """

    first: Setup
    last: Setup
    validation: tuple[float, float]
    tries: tuple[Try, ...] = ()
    confirmed: Score | None = None
    finished: bool = False
    metric: str = RIGHT


@dataclass
class _Search:
    """The state of one search."""

    bench: Bench
    parts: Parts
    folder: Path
    metric: str
    tuning: Tuning
    budget: Budget
    seed: int
    tell: Callable[[Told], None]
    values: dict[tuple[Setup, str, int], list[float]] = field(default_factory=dict)
    points: dict[Setup, Counter[str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def measure(self, setup: Setup, part: str, n: int) -> list[float]:
        """Return the metric of a set-up on the first `n` questions of a part, one value a question."""
        examples: Sequence[Example] = getattr(self.parts, part)
        values: list[float] = []
        for start, end in _slices(len(examples)):
            if start < n:
                values += self._slice(setup, part, examples[start:end], start)
        return values[:n]

    def _slice(self, setup: Setup, part: str, examples: Sequence[Example], start: int) -> list[float]:
        key = (setup, part, start)
        if key in self.values:
            return self.values[key]
        arm = arm_of(setup.arm, list({*self.bench.adapters, *self.places}))
        bench = self._bench_of(setup)
        place = self.folder / "trials" / f"{part}-{plain(setup.name)}-{_short(setup)}-{start}"
        what = f"{setup.name}, on {part}"
        with bench.opened(arm) as system:
            asked(
                system, examples, place, bench, self.seed, self.budget,
                lambda at: self.tell(Told(what, at.done, at.total)),
            )  # fmt: skip
        found = {result.example.id: result for result in read_results(place)}
        self.points.setdefault(setup, Counter()).update(one.failure.point for one in found.values() if one.failure)
        self.values[key] = [value_of(found.get(example.id), self.metric) for example in examples]
        return self.values[key]

    def _bench_of(self, setup: Setup) -> Bench:
        if setup.adapter in TRAINED and setup.adapter not in self.places:
            self.tell(Told(f"tuning {setup.adapter}"))
            made = train_adapter(
                setup.adapter, self.bench, self.parts.train, self.parts.validation, self.parts.test, self.tuning,
                self.folder / "adapters" / setup.adapter, seed=self.seed, on_progress=self._watch(setup.adapter),
            )  # fmt: skip
            self.places[setup.adapter] = made.place
        index = self._cut(setup.chunker) if setup.chunker else self.bench.index
        reranker = open_reranker(setup.reranker) if setup.reranker else self.bench.reranker
        weights = {"dense": setup.dense, "lexical": 1 - setup.dense} if setup.dense >= 0 else self.bench.weights
        corpus = holders_of(index, principals=self.bench.principals) if setup.chunker and index else self.bench.corpus
        return replace(
            self.bench, adapters={**self.bench.adapters, **self.places}, index=index, reranker=reranker,
            weights=weights, k=setup.k or self.bench.k, corpus=corpus,
        )  # fmt: skip

    def _watch(self, name: str) -> Callable[[object], None]:
        def show(at: object) -> None:
            if self.budget.spent:
                raise Spent
            self.tell(Told(f"tuning {name}", at.step, at.steps))  # type: ignore[attr-defined]

        return show

    def _cut(self, chunker: str) -> Index:
        """Return the knowledge base cut in another way, made beside the first one at its first use."""
        from trivium.index.ingest import Options, add

        source = self.bench.index
        assert source is not None
        made = type(source).open(self.folder / "cut" / chunker, lambda: source.embedder)
        for record in source.records():
            document = source.document(record.id, principals=record.access)
            if document is not None:
                add(made, [document], Options(record.access, dict(record.metadata), chunker, None))
            self.tell(Told(f"cutting by {chunker}"))
        return made.snapshot()


def improve(
    first: Setup,
    bench: Bench,
    parts: Parts,
    folder: Path,
    *,
    possible: Possible,
    metric: str = RIGHT,
    tuning: Tuning | None = None,
    budget: Budget | None = None,
    command: Sequence[str] = (),
    seed: int = 0,
    tell: Callable[[Told], None] | None = None,
) -> Lineage:
    """Improve a set-up step by step until no step helps or the budget is spent.

    Args:
        first: the set-up to begin with.
        bench: the models and the knowledge base.
        parts: of the questions: to learn from, to choose by, to confirm on.
        folder: of the search; one that was begun with the same settings is gone on with.
        possible: what may be changed besides the pipeline's own settings.
        metric: by which set-ups are compared, higher is better.
        tuning: how adapters are trained.
        budget: what may be taken.
        command: how to repeat it.
        seed: of every draw.
        tell: told how it goes.

    Raises:
        UsageError: the folder holds a search with other settings.
        StoreFull: the disk is full; what was answered is kept.
        KeyboardInterrupt: Ctrl-C; what was answered is kept.
    """
    search = _Search(
        bench, parts, folder, metric, tuning or Tuning(), budget or Budget(), seed, tell or (lambda _: None)
    )
    settings = {
        "improve": asdict(first), "possible": asdict(possible), "metric": metric, "seed": seed, "chat": bench.chat,
        "validation": records.digest(parts.validation), "test": records.digest(parts.test),
    }  # fmt: skip
    with records.holding(folder):
        record = records.begin(folder, settings, command)
        now, finished, confirmed = first, True, None
        tries: list[Try] = []
        n = len(parts.validation)
        try:
            search.measure(first, "validation", n)
            for number in range(1, 2 + len(STEPS) * 4):
                better = _round(number, now, search, possible, tries)
                _write(folder, search, first, better or now, tries, None, finished=False)
                if better is None:
                    break
                now = better
            if now != first:
                confirmed = _gain(search, first, now, "test", len(parts.test)).difference
        except Spent:
            finished = False
        lineage = _write(folder, search, first, now, tries, confirmed, finished=finished)
        records.end(folder, record, asked=len(tries), seconds=0.0, complete=finished)
    return lineage


def _round(number: int, now: Setup, search: _Search, possible: Possible, tries: list[Try]) -> Setup | None:
    """Let the changes race, kind after kind in the order that the failures call for; return the first that holds."""
    points = search.points.get(now, Counter())
    worst = points.most_common(1)[0][0] if points else ""
    order = CURES.get(worst, tuple(STEPS))
    cause = f"{points[worst]} of {sum(points.values())} errors are {worst}" if worst else "by the usual order"
    for step in order:
        broken = {one.setup for one in tries if one.gain is None}
        rivals = [setup for setup in STEPS[step](now, possible) if setup.name not in broken]
        won = _race(number, step, rivals, now, search, cause, tries)
        if won is not None:
            return won
    return None


def _race(
    number: int, step: str, rivals: Sequence[Setup], now: Setup, search: _Search, cause: str, tries: list[Try]
) -> Setup | None:
    """Halve the rivals heat by heat on more and more questions; accept the last if its gain is above 0."""
    total = len(search.parts.validation)
    n = min(_FIRST, total)
    alive = list(rivals)
    while alive:
        scored: list[tuple[float, Setup, Compared]] = []
        for setup in alive:
            try:
                found = _gain(search, now, setup, "validation", n)
            except (StoreFull, Spent):
                raise
            except Exception as error:  # one that cannot be set up is no reason to stop
                words = error.problem if isinstance(error, TriviumError) else repr(error)
                tries.append(Try(number, step, setup.name, 0, None, False, f"failed: {words}"))
                continue
            scored.append((found.difference.mean, setup, found))
        scored.sort(key=lambda one: -one[0])
        if n >= total:
            return _decided(number, step, scored, n, cause, tries)
        keep = max(1, math.ceil(len(scored) / 2))
        for mean, setup, found in scored[keep:] + [one for one in scored[:keep] if one[2].difference.high <= 0]:
            why = f"behind after {n} questions" if mean <= scored[0][0] else "dropped"
            tries.append(Try(number, step, setup.name, n, found.difference, False, why))
        alive = [setup for _, setup, found in scored[:keep] if found.difference.high > 0]
        n = min(total, 2 * n)
    return None


def _decided(
    number: int, step: str, scored: Sequence[tuple[float, Setup, Compared]], n: int, cause: str, tries: list[Try]
) -> Setup | None:
    won = None
    for place, (_, setup, found) in enumerate(scored):
        kept = place == 0 and found.difference.low > 0
        if kept:
            won, why = setup, f"the interval is above 0; {cause}"
        else:
            why = "behind the winner" if won is not None else "the interval includes 0"
        tries.append(Try(number, step, setup.name, n, found.difference, kept, why))
    return won


def _gain(search: _Search, before: Setup, after: Setup, part: str, n: int) -> Compared:
    """Return the paired gain on the first `n` questions of a part; those of one document hang together."""
    old, new = search.measure(before, part, n), search.measure(after, part, n)
    documents = [next(iter(documents_of(example)), "") for example in getattr(search.parts, part)[:n]]
    return compared([b - a for a, b in zip(old, new, strict=True)], documents)


def _write(
    folder: Path,
    search: _Search,
    first: Setup,
    last: Setup,
    tries: Sequence[Try],
    confirmed: Score | None,
    *,
    finished: bool,
) -> Lineage:
    means = [
        _mean([value for key, row in search.values.items() if key[:2] == (one, "validation") for value in row])
        for one in (first, last)
    ]
    lineage = Lineage(first, last, (means[0], means[1]), tuple(tries), confirmed, finished, search.metric)
    write_whole(folder / LINEAGE, json.dumps(asdict(lineage), ensure_ascii=False, indent=1) + "\n")
    return lineage


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _short(setup: Setup) -> str:
    return hashlib.sha256(repr(setup).encode()).hexdigest()[:8]


def _slices(total: int) -> Iterator[tuple[int, int]]:
    """Yield the questions that each heat adds to those before: 24, 24, 48, 96, …"""
    start, end = 0, min(_FIRST, total)
    while start < total:
        yield start, end
        start, end = end, min(total, 2 * end)

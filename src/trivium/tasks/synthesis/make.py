"""Makes a question set from documents, one question after the other, each written as it comes; a rerun goes on.

Beside the questions, `NAME.attempts.jsonl` keeps what came of each piece of material, kept or dropped and why. The
report is drawn from it, and a second run passes over what was tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.errors import StoreFull, UnknownName, UsageError
from trivium.journal import Journal
from trivium.models.base import Chat
from trivium.tasks.leak import same
from trivium.tasks.questions import line_of, read_jsonl
from trivium.tasks.synthesis.checks import Search
from trivium.tasks.synthesis.corpus import Corpus
from trivium.tasks.synthesis.kinds import KINDS, WITH_CHAT, WITHOUT_CHAT, Draft, Workshop
from trivium.threads import Pool
from trivium.types import Document, Example, Gold

TRIES = 20
"""Pieces of material that are tried for each question wanted, before a kind is given up."""
KEPT = "kept"
_CURE = "Free some space, or name another file."
_FORM = 1


@dataclass(frozen=True, slots=True)
class KindReport:
    """What came of one kind: `tried` pieces of material, `kept` questions, `dropped` by reason."""

    wanted: int
    tried: int
    kept: int
    dropped: Mapping[str, int]

    @property
    def rate(self) -> float:
        """The share that passed the filters, 0 to 1."""
        return self.kept / self.tried if self.tried else 0.0


@dataclass(frozen=True, slots=True)
class MakeReport:
    """What came of all runs into one file. `new` questions are of this run, which took `seconds`."""

    path: Path
    kinds: Mapping[str, KindReport]
    new: int
    seconds: float


def make_questions(
    documents: Sequence[Document],
    path: str | os.PathLike[str],
    *,
    search: Search,
    chat: Chat | None = None,
    kinds: Sequence[str] = (),
    count: int = 20,
    k: int = 5,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[str, str, str], None] | None = None,
) -> MakeReport:
    """Make `count` questions of each kind and write them to `path`, in the JSONL form.

    Args:
        documents: what the questions are about, as the knowledge base stores them.
        path: the file; questions are added to one that an earlier run of the same settings began.
        search: the knowledge base's own: a question is kept only if it finds its source among the `k` best hits.
        chat: writes the questions; None leaves the kinds that need no model.
        kinds: keys of `KINDS`; empty: those that fit whether there is a chat model.
        count: questions of each kind.
        k: see `search`.
        seed: chooses the sentences and the answers.
        threads: how many questions are made at once; the order in the file does not depend on it.
        progress: called after each try with kind, outcome ("kept" or the reason) and question.

    Raises:
        UnknownName: a kind that there is not.
        UsageError: no documents; a kind that needs a chat model without one; the file was begun with other settings.
        ModelError: the model failed for good; what was made stays, and a second call goes on from there.
    """
    names = tuple(kinds) or (WITHOUT_CHAT if chat is None else WITH_CHAT)
    for name in names:
        if name not in KINDS:
            raise UnknownName("kind of question", name, KINDS)
        if chat is None and KINDS[name].needs_chat:
            raise UsageError(f"Questions of the kind {name!r} need a chat model.", "Give one, or make cloze, heading.")
    if not documents:
        raise UsageError("There are no documents to ask about.", "Add some with: trivium add PATH")
    began = time.monotonic()
    shop = Workshop(Corpus(documents, seed), search, k, chat)
    settings = {"form": _FORM, "seed": seed, "k": k, "chat": chat.name if chat else ""}
    with _Attempts.open(Path(path), settings) as attempts:
        before = attempts.kept()
        for name in names:
            _make_kind(name, shop, attempts, count, threads, progress or (lambda kind, outcome, question: None))
        report = _report(attempts, names, count)
        return MakeReport(Path(path), report, attempts.kept() - before, time.monotonic() - began)


def _make_kind(
    name: str,
    shop: Workshop,
    attempts: _Attempts,
    count: int,
    threads: int,
    progress: Callable[[str, str, str], None],
) -> None:
    kind, made_by = KINDS[name], shop.chat.name if shop.chat and KINDS[name].needs_chat else "rules"

    def left() -> Iterator[tuple[str, Any]]:
        for material in kind.material(shop.corpus):
            key = _id(name, material.key)
            if attempts.tried(name) >= TRIES * count or attempts.kept(name) >= count:
                return
            if key not in attempts.outcomes[name]:
                yield key, material

    def make(item: tuple[str, Any]) -> tuple[str, Draft | str]:
        return item[0], kind.make(shop, item[1])

    with Pool(left(), make, threads, in_order=True) as pool:
        for key, drafted in pool:
            if attempts.kept(name) >= count:
                return
            if isinstance(drafted, Draft) and same(drafted.question) in attempts.questions:
                drafted = "asked before"
            if isinstance(drafted, str):
                attempts.drop(name, key, drafted)
                progress(name, drafted, "")
            else:
                attempts.keep(name, key, _example(name, key, drafted, made_by))
                progress(name, KEPT, drafted.question)


def _id(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _example(kind: str, id: str, draft: Draft, made_by: str) -> Example:
    first = draft.evidence[0]
    evidence = () if draft.unanswerable else tuple(Gold(one.source, one.text) for one in draft.evidence)
    return Example(
        id,
        draft.question,
        answers=() if draft.unanswerable else (draft.answer,),
        evidence=evidence,
        unanswerable=draft.unanswerable,
        tags=("synthetic", kind),
        language=first.language,
        metadata={"document": first.source, "made_by": made_by, **draft.note},
    )


def _report(attempts: _Attempts, names: Sequence[str], count: int) -> dict[str, KindReport]:
    report = {}
    for name in names:
        reasons = Counter(attempts.outcomes[name].values())
        kept = reasons.pop(KEPT, 0)
        report[name] = KindReport(count, kept + sum(reasons.values()), kept, dict(reasons.most_common()))
    return report


class _Attempts:
    """The two files of one question set: the questions, and what came of every try."""

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self.log = path.with_name(f"{path.name}.attempts.jsonl")
        self.outcomes: dict[str, dict[str, str]] = {name: {} for name in KINDS}
        if _size(path) and not _size(self.log):  # before anything is cut off its end: it may be the user's own
            raise UsageError(
                f"{path} holds questions that were not made here ({self.log.name} is missing).", "Name another file."
            )
        self._rows = Journal(path, _CURE)
        self._lines = Journal(self.log, _CURE)
        self._begin(path, settings)
        examples = list(read_jsonl(path)) if _size(path) else []
        self.questions = {same(example.question) for example in examples}
        for example in examples:  # of a run that ended between the two files
            kind = example.id.partition("-")[0]
            if kind in self.outcomes:
                self.outcomes[kind][example.id] = KEPT

    @classmethod
    @contextmanager
    def open(cls, path: Path, settings: Mapping[str, object]) -> Iterator[_Attempts]:
        """Open both files, and hold them against a second run.

        Raises:
            UsageError: they were begun with other settings, or another run is writing them.
            StoreFull: they cannot be written.
        """
        import filelock

        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            attempts = cls(path, settings)
        except filelock.Timeout:
            raise UsageError(f"Another run is writing {path}.", "Wait for it, or name another file.") from None
        except OSError as error:
            lock.release()
            raise StoreFull(f"{path} cannot be written: {error.strerror or error}.", _CURE) from error
        except BaseException:
            lock.release()
            raise
        try:
            yield attempts
        finally:
            attempts._rows.close()
            attempts._lines.close()
            lock.release()

    def _begin(self, path: Path, settings: Mapping[str, object]) -> None:
        lines = self.log.read_text("utf-8").splitlines()
        if not lines:
            self._lines.append((json.dumps({"settings": settings}) + "\n").encode())
            return
        begun = json.loads(lines[0]).get("settings")
        if begun != settings:
            raise UsageError(
                f"{path} was begun with other settings: {json.dumps(begun)}, now {json.dumps(settings)}.",
                "Give the same settings to go on with it, or name another file.",
            )
        for line in lines[1:]:
            one = json.loads(line)
            self.outcomes[one["kind"]][one["id"]] = one["outcome"]

    def tried(self, kind: str) -> int:
        """Return how many pieces of material were tried."""
        return len(self.outcomes[kind])

    def kept(self, kind: str = "") -> int:
        """Return how many questions were kept, of one kind or of all."""
        kinds = [kind] if kind else list(self.outcomes)
        return sum(outcome == KEPT for name in kinds for outcome in self.outcomes[name].values())

    def keep(self, kind: str, id: str, example: Example) -> None:
        """Write a question, and then that it is there."""
        self.questions.add(same(example.question))
        self._rows.append(line_of(example))
        self._note(kind, id, KEPT)

    def drop(self, kind: str, id: str, reason: str) -> None:
        """Write why nothing came of a try."""
        self._note(kind, id, reason)

    def _note(self, kind: str, id: str, outcome: str) -> None:
        self.outcomes[kind][id] = outcome
        self._lines.append((json.dumps({"kind": kind, "id": id, "outcome": outcome}) + "\n").encode())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

"""The library's face: `trivium.open`, `trivium.ask`, `trivium.evaluate`. The rooms do the work; it joins them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.codec import dump_answer, load_answer
from trivium.errors import UnknownName
from trivium.index import Index
from trivium.index.archive import export_archive
from trivium.index.archive import import_archive as _import_archive
from trivium.index.index import folder
from trivium.index.ingest import Options, add, check_options
from trivium.index.similar import behind, keep, recall
from trivium.index.tally import AddReport, Progress
from trivium.index.upkeep import RemoveReport, VerifyReport, missing, remove, verify
from trivium.models.base import Chat, Embedder, Reranker
from trivium.types import Answer, Document, Example, Hit, Message, Metadata
from trivium.version import __version__

if TYPE_CHECKING:
    from trivium.evaluate.run import RunProgress
    from trivium.evaluate.summary import Report


class KnowledgeBase(Index):
    """Documents that can be searched and asked. Make one with `trivium.open`."""

    _models: Models
    _loaded = False

    @property
    def chat(self) -> Chat:
        """The chat model that answers, loaded at its first use."""
        return self._models.chat()

    @property
    def reranker(self) -> Reranker | None:
        """The model that reranks, loaded at its first use; None where there is none."""
        return self._models.reranker()

    def load_models(self) -> None:
        """Load the chat model and the embedder side by side, which their first uses would do one after the other.

        An embedder that cannot be loaded is an error where it is needed, which is not in every pattern.
        """
        if self._loaded:
            return
        with ThreadPoolExecutor(2, thread_name_prefix="trivium-models") as threads:
            threads.submit(lambda: self.embedder)
            threads.submit(self._models.ready_chat).result()
        self._loaded = True

    def add(
        self,
        paths: str | os.PathLike[str] | Document | Iterable[str | os.PathLike[str] | Document],
        access: Sequence[str] = (),
        metadata: Metadata | None = None,
        *,
        chunker: str = "sliding",
        max_bytes: int | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> AddReport:
        """Add files, folders (walked) and ready documents; unchanged ones cost a look and a hash.

        Args:
            paths: what to add.
            access: the principals that may read it, such as `user:ada`; empty keeps what a document had, and lets
                everyone read a new one; `*` is everyone.
            metadata: kept with each document, for filters.
            chunker: one of `trivium.documents.CHUNKERS`.
            max_bytes: the largest file to read.
            progress: called after each file and commit, from any thread.

        Returns:
            What was done, and each file that could not be added, with the reason.

        Raises:
            UsageError: an argument cannot be.
            StoreFull: the disk is full or cannot be written; what was committed stays.
            ModelError: the embedder failed; what was committed stays, and a second call goes on from there.
        """
        options = Options(tuple(access), dict(metadata or {}), chunker, max_bytes)
        check_options(options)
        several = [paths] if isinstance(paths, str | os.PathLike | Document) else list(paths)
        return add(self, several, options, progress)

    def search(
        self,
        question: str,
        k: int = 10,
        mode: str = "hybrid",
        filter: str | None = None,
        principals: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Return the k best chunks for a question that the asker may read, best first.

        Args:
            question: in words.
            k: how many.
            mode: `hybrid`, `dense` or `lexical`.
            filter: a condition on metadata, such as `year >= 2020` (see `trivium.index.filters`).
            principals: who asks; None is an unknown asker, who sees what everyone may read.

        Raises:
            UsageError: the question is empty, or an argument cannot be.
            FilterError: the filter does not parse.
        """
        from trivium.retrieve.search import search

        while True:  # again where a purge overtook it, so that both arms have searched the same commit
            view = self.snapshot()
            hits = search(view, question, k=k, mode=mode, where=filter, principals=principals)
            if not view.store.overtaken:
                return hits

    def remove(self, sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> RemoveReport:
        """Delete documents and all that was made from them; return the receipt.

        Raises:
            UsageError: a source is not there; nothing was removed.
        """
        return remove(self, [sources] if isinstance(sources, str | os.PathLike) else sources)

    def verify(self, repair: bool = True) -> VerifyReport:
        """Compare what is recorded with what is stored, and mend or report the differences."""
        return verify(self, repair=repair)

    def missing(self) -> list[str]:
        """Return the sources of documents whose file is no longer there."""
        return missing(self)

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole knowledge base to one file."""
        return export_archive(self, path)


class Models:
    """The models of one knowledge base, each made from its spec at its first use and shared by threads."""

    def __init__(
        self, embedder: Embedder | str | None, chat: Chat | str | None, reranker: Reranker | str | None
    ) -> None:
        self._embedder, self._chat, self._reranker = embedder, chat, reranker
        self._locks = {role: threading.Lock() for role in ("embedder", "chat", "reranker")}

    def embedder(self) -> Embedder:
        """Return the embedder."""
        with self._locks["embedder"]:
            if self._embedder is None or isinstance(self._embedder, str):
                from trivium.models.embed import open_embedder

                self._embedder = open_embedder(self._embedder)
            return self._embedder

    def chat(self) -> Chat:
        """Return the chat model."""
        with self._locks["chat"]:
            if self._chat is None or isinstance(self._chat, str):
                from trivium.models.chat import open_chat

                self._chat = open_chat(self._chat)
            return self._chat

    def ready_chat(self) -> Chat:
        """Return the chat model; a small one has read the part of its prompt that every question shares."""
        from trivium.generate.extract import read_ahead
        from trivium.generate.manner import manner_for

        chat = self.chat()
        if manner_for(chat).extracts:
            read_ahead(chat)
        return chat

    def reranker(self) -> Reranker | None:
        """Return the reranker, if there is one."""
        with self._locks["reranker"]:
            if self._reranker is None or isinstance(self._reranker, str):
                from trivium.models.rerank import open_reranker

                self._reranker = open_reranker(self._reranker)
            return self._reranker


def open(
    uri: str | Path = ".trivium",
    *,
    embedder: Embedder | str | None = None,
    chat: Chat | str | None = None,
    reranker: Reranker | str | None = None,
    create: bool = True,
) -> KnowledgeBase:
    """Open the knowledge base at a folder, making it if there is none.

    Args:
        uri: the folder.
        embedder: a model, or the spec of one (see `trivium.models.embed.open_embedder`); None is the knowledge base's
            own, where it has one, else the embedded one.
        chat: a model, or the spec of one (see `trivium.models.chat.open_chat`); None is the embedded one.
        reranker: a model, or the spec of one (see `trivium.models.rerank.open_reranker`); None is the knowledge
            base's own, where it has one.
        create: whether to make a knowledge base where there is none.

    Raises:
        StoreNotFound, StoreVersion, StoreFull, ModelNotFound: see their names.
    """
    root = folder(uri)  # may hold models of its own, which tuning has put there
    models = Models(embedder or _own(root, "embedder"), chat, reranker or _own(root, "reranker"))
    base = KnowledgeBase.open(uri, models.embedder, create=create)
    base._models = models
    return base


def _own(root: Path, role: str) -> str | None:
    place = root / role
    return str(place) if (place / "config.json").is_file() else None


def ask(
    kb: KnowledgeBase,
    question: str,
    pattern: str = "advanced",
    principals: Sequence[str] | None = None,
    *,
    k: int | None = None,
    filter: str | None = None,
    history: Sequence[Message] = (),
    on_text: Callable[[str], None] | None = None,
    cache: bool = True,
    similar: float | None = None,
) -> Answer:
    """Answer a question from a knowledge base, with citations, or refuse where its documents do not say.

    Args:
        kb: the knowledge base.
        question: in words, in any language that its documents and models know.
        pattern: one of `trivium.patterns.PATTERNS`.
        principals: who asks; None is an unknown asker, who is answered from what everyone may read.
        k: how many chunks to retrieve; None is the pattern's own number.
        filter: a condition on metadata (see `KnowledgeBase.search`).
        history: the turns before this question.
        on_text: receives the answer's text in pieces while it is generated.
        cache: whether an answer given before to the same asker, of the same unchanged documents, may be given again.
        similar: the least cosine, such as 0.9, at which the answer to another question is given too, to whoever may
            read every document behind it (`trivium.index.similar`); None is never. Not with a history.

    Raises:
        UsageError: the question is empty, or the pattern unknown.
        ModelError: the chat model failed.
    """
    from trivium.patterns import PATTERNS

    if pattern not in PATTERNS:
        raise UnknownName("pattern", pattern, PATTERNS)
    kb.load_models()
    asker = sorted(set(principals or ()))
    models = [kb.chat.name, kb.manifest["embedder"], kb.reranker.name if kb.reranker else ""]
    key = (__version__, question, pattern, asker, k, filter, history, models)
    version = kb.store.version
    if cache and (stored := kb.answers.get(key, version)) is not None:
        answer = load_answer(stored)
        return _again(answer, on_text)
    context = (__version__, pattern, k, filter, models)
    alike = similar is not None and cache and not history
    if alike and (known := recall(kb, question, context, version, principals=principals, least=similar or 0.0)):
        return _again(known, on_text)
    settings: dict[str, int] = {} if k is None else {"k": k}
    answer = PATTERNS[pattern](
        question,
        chat=kb.chat,
        index=kb.snapshot(),
        reranker=kb.reranker,
        principals=principals,
        where=filter,
        history=history,
        on_text=on_text,
        **settings,
    )
    if cache and kb.store.version == version:
        if alike:
            keep(kb, key, context, version, answer)
        else:
            kb.answers.put(key, version, behind(answer), dump_answer(answer))
    return answer


def _again(answer: Answer, on_text: Callable[[str], None] | None) -> Answer:
    """Return an answer given before, to a listener too."""
    if on_text is not None:
        on_text(answer.text)
    return answer


def import_archive(path: str | os.PathLike[str], uri: str | Path) -> KnowledgeBase:
    """Unpack what `KnowledgeBase.export` wrote into a new folder, and open it."""
    _import_archive(path, folder(uri))
    return open(uri, create=False)


def evaluate(
    questions: str | os.PathLike[str] | Sequence[Example],
    system: str | Callable[[str], Answer] = "advanced",
    kb: KnowledgeBase | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    judge: Chat | str | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 4,
    k: int | None = None,
    principals: Sequence[str] | None = None,
    closed_book: bool = True,
    progress: Callable[[RunProgress], None] | None = None,
) -> Report:
    """Ask a system the questions of a set, score its answers, and write the report into the folder of the run.

    Args:
        questions: the file of a question set, or examples.
        system: the name of a pattern (over `kb`), another word for a system (see `trivium.systems`), or any function
            from a question to an answer.
        kb: the knowledge base; a system that does not use it is told by it where the answers stand.
        out: the folder of the run; None is one below `runs/`, named by the settings.
        against: the folder of another run, to compare with.
        judge: a chat model, or the spec of one, that judges the answers too.
        limit: ask so many, drawn at random by the seed.
        seed: of the draw and of the intervals.
        workers: questions asked at once.
        k: how many chunks a pattern retrieves; None is its own number.
        principals: who asks; None is an unknown asker.
        closed_book: ask the model alone where the answer was wrong, to see whether retrieval was needed.
        progress: told after each question.

    Returns:
        What the run came to. `report.errors` are questions that could not be asked; a second call asks only those.

    Raises:
        UsageError: there are no questions, the system is unknown, or `out` holds a run with other settings.
        ModelError: a model cannot be opened.
    """
    from trivium.evaluate.against import against as compare
    from trivium.evaluate.report import write_report
    from trivium.evaluation import evaluate_system
    from trivium.models.chat import open_chat
    from trivium.systems import function_system, open_system
    from trivium.tasks.questions import read_questions

    if isinstance(questions, str | os.PathLike):
        read = read_questions(questions)
        name, examples = read.name, read.examples
    else:
        name, examples = "questions", tuple(questions)
    if isinstance(system, str):
        opened = open_system(
            system,
            index=kb,
            chat=(lambda: kb.chat) if kb is not None else open_chat,
            reranker=kb.reranker if kb is not None else None,
            k=k,
            principals=principals,
            parallel=workers,
        )
    else:
        opened = function_system(system, index=kb, principals=principals)
    report = evaluate_system(
        examples,
        opened,
        name=name,
        folder=None if out is None else Path(out),
        limit=limit,
        seed=seed,
        workers=workers,
        judge=open_chat(judge, parallel=workers) if isinstance(judge, str) else judge,
        embedder=kb.embedder if kb is not None else None,
        closed_book=closed_book,
        progress=progress,
    )
    write_report(report, comparison=None if against is None else compare(report.folder, against, seed=seed))
    return report

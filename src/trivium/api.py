"""The library's face: `trivium.open`, `trivium.ask`. It puts the rooms together; the work is done in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from trivium.index import Index
from trivium.index.archive import export_archive
from trivium.index.archive import import_archive as _import_archive
from trivium.index.index import folder
from trivium.index.ingest import AddReport, Options, Progress, add, check_options
from trivium.index.upkeep import RemoveReport, VerifyReport, missing, remove, verify
from trivium.models.base import Embedder
from trivium.types import Document, Hit, Metadata


class KnowledgeBase(Index):
    """Documents that can be searched and asked. Make one with `trivium.open`."""

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

        return search(self, question, k=k, mode=mode, where=filter, principals=principals)

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


def open(uri: str | Path = ".trivium", *, embedder: Embedder | str | None = None, create: bool = True) -> KnowledgeBase:
    """Open the knowledge base at a folder, making it if there is none.

    Args:
        uri: the folder.
        embedder: a model, or the spec of one (see `trivium.models.embed.open_embedder`); None is the embedded one.
        create: whether to make a knowledge base where there is none.

    Raises:
        StoreNotFound, StoreVersion, StoreFull, ModelNotFound: see their names.
    """

    def make() -> Embedder:
        from trivium.models.embed import open_embedder

        return open_embedder(embedder) if embedder is None or isinstance(embedder, str) else embedder

    base = KnowledgeBase.open(uri, make, create=create)
    assert isinstance(base, KnowledgeBase)
    return base


def import_archive(path: str | os.PathLike[str], uri: str | Path) -> KnowledgeBase:
    """Unpack what `KnowledgeBase.export` wrote into a new folder, and open it."""
    _import_archive(path, folder(uri))
    return open(uri, create=False)

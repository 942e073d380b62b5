"""Adding documents: files are read, cut, embedded and committed in a bounded pipeline.

The calling thread walks, hashes, reads (in worker processes) and cuts; a second thread embeds and commits. A document
is committed whole, with its hash, in one commit of the store; several small ones share a commit. What was embedded and
not committed when the process died waits in `pending.db` and is not embedded again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.errors import DocumentError, UsageError
from trivium.index.cut import cut, document_id
from trivium.index.graph.build import sync
from trivium.index.rows import Record
from trivium.index.tally import AddReport, Progress, Tally
from trivium.index.writer import Writer
from trivium.types import EVERYONE, Document, Metadata

if TYPE_CHECKING:
    from trivium.index.index import Index


@dataclass(frozen=True, slots=True)
class Options:
    """How documents are added.

    Empty `access` keeps what a document had, or lets everyone read a new one; empty `metadata` likewise keeps.
    """

    access: tuple[str, ...] = ()
    metadata: Metadata | None = None
    chunker: str = "sliding"
    max_bytes: int | None = None


def add(
    index: Index,
    paths: Iterable[str | os.PathLike[str] | Document],
    options: Options,
    progress: Callable[[Progress], None] | None = None,
) -> AddReport:
    """Add files, folders and ready documents; see `KnowledgeBase.add`."""
    tally = Tally(progress)
    files, documents = _parted(paths)
    known = {record.id: record for record in index.records()}
    with Writer(index, tally) as writer:
        for document in documents:
            tally.total += 1
            _add_document(index, writer, tally, document, _hash_text(document), options, known)
        if files:
            _add_files(index, writer, tally, files, options, known)
    if index.graph.exists():
        sync(index)
    return tally.report()


def _parted(paths: Iterable[str | os.PathLike[str] | Document]) -> tuple[list[Path], list[Document]]:
    if isinstance(paths, str | os.PathLike | Document):
        paths = [paths]
    files: list[Path] = []
    documents: list[Document] = []
    for path in paths:
        if isinstance(path, Document):
            documents.append(path)
        else:
            files.append(Path(os.path.abspath(os.path.expanduser(path))))
    return files, documents


def _add_files(
    index: Index, writer: Writer, tally: Tally, files: Sequence[Path], options: Options, known: Mapping[str, Record]
) -> None:
    from trivium.documents import Limits, Loader, discover, printable

    found: list[Path] = []
    for item in discover(files, exclude=[index.root]):
        if isinstance(item, DocumentError):
            tally.total += 1
            tally.fail(item.source, item.reason)
        else:
            found.append(item)
    found = list(dict.fromkeys(found))
    tally.total += len(found)
    tally.tell("")

    def changed() -> Iterator[Path]:
        for path in found:
            source = printable(path)
            record = known.get(document_id(source))
            if record is None or not _same_file(path, record, options):
                yield path
            elif _wanted(record, options) == record:
                tally.same(source)
            else:
                writer.put_record(_wanted(record, options))

    limits = Limits() if options.max_bytes is None else Limits(max_bytes=options.max_bytes)
    with Loader(limits=limits) as loader:
        for _, result in loader.map(changed()):
            if isinstance(result, DocumentError):
                tally.fail(result.source, result.reason)
            else:
                tally.tell(result.document.source)  # commits are seconds apart: show that files are being read
                _add_document(index, writer, tally, result.document, result.sha256, options, known)


def _same_file(path: Path, record: Record, options: Options) -> bool:
    from trivium.documents import file_fingerprint

    if record.chunker != options.chunker:
        return False
    try:
        return path.stat().st_size == record.size and file_fingerprint(path).sha256 == record.sha256
    except (OSError, DocumentError):
        return False  # the loader will say why it cannot be read


def _wanted(record: Record, options: Options) -> Record:
    access = options.access or record.access
    metadata = record.metadata if not options.metadata else {**record.metadata, **options.metadata}
    return replace(record, access=tuple(sorted(set(access))), metadata=metadata)


def _add_document(
    index: Index,
    writer: Writer,
    tally: Tally,
    document: Document,
    sha256: str,
    options: Options,
    known: Mapping[str, Record],
) -> None:
    old = known.get(document_id(document.source))
    record = _record(document, sha256, options, old)
    if old is not None and old.sha256 == sha256 and old.chunker == options.chunker:
        if _wanted(old, options) == old:
            tally.same(document.source)
        else:
            writer.put_record(_wanted(old, options))
        return
    pieces = cut(document, record, index.embedder)
    if pieces.chunks:
        writer.put(replace(pieces, replaces=old is not None))
    else:
        tally.fail(document.source, "holds no text")


def _record(document: Document, sha256: str, options: Options, old: Record | None) -> Record:
    own = dict(document.metadata)
    kept = dict(old.metadata) if old is not None else {}
    return Record(
        id=document_id(document.source),
        source=document.source,
        sha256=sha256,
        chunks=0,
        bytes=document.bytes or len(document.text.encode("utf-8", "replace")),
        access=tuple(sorted(set(options.access or (old.access if old else (EVERYONE,))))),
        metadata={**own, **kept, **(options.metadata or {})},
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        chunker=options.chunker,
        size=document.bytes,
        title=document.title,
        author=document.author,
        created=document.created,
        modified=document.modified,
        language=document.language,
        media_type=document.media_type,
        warnings=document.warnings,
    )


def _hash_text(document: Document) -> str:
    return hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()


def check_options(options: Options) -> None:
    """Refuse access lists and metadata that cannot be stored.

    Raises:
        UsageError: a principal or a name is empty, or a value is not a text, a number or a truth value.
    """
    for principal in options.access:
        if not isinstance(principal, str) or not principal.strip():
            raise UsageError(f"{principal!r} is not a principal.", "Write them like user:ada or group:legal.")
    for name, value in (options.metadata or {}).items():
        if not name or not isinstance(value, str | int | float | bool):
            raise UsageError(f"The metadata {name!r} = {value!r} cannot be kept.", "Give texts, numbers or booleans.")

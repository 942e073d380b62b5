"""Give a knowledge base a tuned embedder, only if it finds more: new vectors beside the old, judged on questions.

The store holds one set of vectors, so the new ones stand in a second folder beside it. Both are asked the held-out
questions; the second takes the first one's place only if the interval of the paired difference is above 0.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trivium.errors import StoreBusy, StoreFull, UsageError
from trivium.evaluate.statistics import interval, paired
from trivium.index import Index
from trivium.index.cut import embedded
from trivium.index.where import every
from trivium.models.base import Embedder, Reranker
from trivium.models.disk import staged
from trivium.retrieve.rerank import rerank
from trivium.retrieve.search import search
from trivium.tune.retrieval.negatives import holds_evidence
from trivium.types import Example, Hit, Score

if TYPE_CHECKING:
    import pyarrow as pa

EMBEDDER, RERANKER = "embedder", "reranker"
"""The folders inside a knowledge base that hold models of its own: its defaults, whoever opens it."""
DEPTH = 10
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """nDCG@10 before and after on held-out questions, the paired difference, and what was decided."""

    before: Score
    after: Score
    gain: Score
    adopted: bool
    kept: str = ""

    def __str__(self) -> str:
        """One line: figures, interval, decision."""
        figures = (
            f"nDCG@{DEPTH} on {self.gain.n} held-out questions: {self.before.mean:.3f} -> {self.after.mean:.3f}, "
            f"{self.gain.mean:+.3f} ({self.gain.low:+.3f} to {self.gain.high:+.3f})"
        )
        return f"{figures}: " + ("adopted." if self.adopted else "not adopted, no gain beyond chance.")


def re_embedded(index: Index, embedder: Embedder, to: Path, on_rows: Callable[[int, int], None] | None = None) -> Index:
    """Return a copy of a knowledge base in the folder `to` with vectors of another embedder; all else is the same.

    Raises:
        UsageError: there is a knowledge base at `to`.
        StoreFull: the folder cannot be written.
    """
    if (to / "trivium.json").exists():
        raise UsageError(f"{to} is there already.", "Delete it: it may be left over from a run that was stopped.")
    made = Index.open(to, lambda: embedder)
    done, total = 0, index.store.count(every([]))

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal done
        for batch in index.store.batches(every([])):
            for start in range(0, batch.num_rows, _ROWS):
                yield _with_vectors(batch.slice(start, _ROWS), embedder)
                done += min(_ROWS, batch.num_rows - start)
                if on_rows is not None:
                    on_rows(done, total)

    with made.writing() as store:
        store.insert(batches())
        store.maintain(settle=True)
    return made


def _with_vectors(batch: pa.RecordBatch, embedder: Embedder) -> pa.RecordBatch:
    import pyarrow as pa

    from trivium.index.rows import schema

    rows = batch.select(["kind", "headings", "text"]).to_pylist()
    places = [place for place, row in enumerate(rows) if row["kind"] == "chunk"]
    texts = [embedded(tuple(rows[place]["headings"] or ()), rows[place]["text"]) for place in places]
    vectors: list[np.ndarray | None] = [None] * len(rows)
    for place, vector in zip(places, embedder.embed(texts), strict=True):
        vectors[place] = vector
    wanted = schema(embedder.dimension)
    columns = [
        pa.array(vectors, wanted.field("vector").type) if name == "vector" else batch.column(name)
        for name in wanted.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def gains(index: Index, examples: Sequence[Example], reranker: Reranker | None = None, k: int = DEPTH) -> list[float]:
    """Return nDCG@k of the search for each question: a document counts once, at its best part that holds evidence.

    Raises:
        UsageError: no question has evidence.
    """
    if not any(example.evidence for example in examples):
        raise UsageError(
            f"None of the {len(examples)} questions says where its answer stands.", "Give questions with evidence."
        )
    found = []
    for example in examples:
        if example.evidence:
            hits = search(index, example.question, k=2 * k)
            found.append(ndcg(hits if reranker is None else rerank(example.question, hits, reranker), example, k))
    return found


def ndcg(hits: Sequence[Hit], example: Example, k: int = DEPTH) -> float:
    """Return nDCG@k (Järvelin and Kekäläinen 2002) of the documents, gain 1 for one that holds evidence."""
    right: dict[str, bool] = {}
    for hit in hits:
        right[hit.chunk.source] = right.get(hit.chunk.source, False) or holds_evidence(hit, example)
    gained = sum(1 / np.log2(rank + 2) for rank, good in enumerate(list(right.values())[:k]) if good)
    wanted = len({gold.source for gold in example.evidence})
    return float(gained / sum(1 / np.log2(rank + 2) for rank in range(min(k, wanted))))


def decided(before: Sequence[float], after: Sequence[float]) -> Decision:
    """Return the decision from the same questions' values: adopted where the whole interval of the gain is above 0."""
    gain = paired(after, before).difference
    return Decision(interval(before), interval(after), gain, gain.low > 0)


def check_room(index: Index) -> None:
    """See that an adopted embedder's knowledge base could take the place of this one.

    Raises:
        UsageError: the old vectors of an earlier adoption are still there.
    """
    kept = _kept(index)
    if kept.exists():
        raise UsageError(f"{kept} is there already.", "It holds the vectors of an earlier embedder: delete or move it.")


def adopt_embedder(
    index: Index,
    folder: Path,
    opened: Callable[[Path], Embedder],
    examples: Sequence[Example],
    *,
    on_rows: Callable[[int, int], None] | None = None,
) -> Decision:
    """Re-embed a knowledge base next to itself, ask both the held-out questions, and let the better one stay.

    An adopted embedder is copied into the knowledge base, as `embedder/`, and is its default from then on; the old
    vectors stay in `NAME.before`. Processes that hold the knowledge base open must open it again.

    Args:
        index: the knowledge base.
        folder: the tuned model's.
        opened: opens an embedder from a folder: in int8, as it will be.
        examples: questions with evidence that the embedder was not trained on.
        on_rows: told how many rows are done, of how many.

    Raises:
        UsageError: no question has evidence, or the folder for the old vectors is taken.
        StoreBusy: documents were added or removed meanwhile; the knowledge base is as it was.
        StoreFull: the disk is full; the knowledge base is as it was.
    """
    check_room(index)
    root, version = index.root, index.store.version
    beside = root.with_name(f".{root.name}.new")
    before = gains(index, examples)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        shutil.copytree(folder, beside / EMBEDDER)  # its place is part of its name, which the vectors keep
        with index.writing():
            new = re_embedded(index, opened(beside / EMBEDDER), beside, on_rows)
        decision = decided(before, gains(new, examples))
        if not decision.adopted:
            return decision
        if (root / RERANKER).is_dir():
            shutil.copytree(root / RERANKER, beside / RERANKER)
        with index.writing():
            if index.store.version != version:
                raise StoreBusy(
                    f"Documents were added to {root} or removed from it while its embedder was compared.",
                    "Run it again with --resume.",
                )
            _swap(root, beside, _kept(index))
        return replace(decision, kept=str(_kept(index)))
    except OSError as error:
        raise StoreFull(
            f"{beside} cannot be written: {error.strerror or error}.",
            "Free some space (a second set of vectors is needed for a while), then go on with --resume.",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _kept(index: Index) -> Path:
    return index.root.with_name(f"{index.root.name}.before")


def _swap(root: Path, new: Path, kept: Path) -> None:
    os.replace(root, kept)
    try:
        os.replace(new, root)
    except BaseException:
        os.replace(kept, root)
        raise


def adopt_reranker(
    index: Index, folder: Path, opened: Callable[[Path], Reranker], examples: Sequence[Example]
) -> Decision:
    """Ask the held-out questions with and without the reranker, and keep it with the knowledge base if it wins.

    A knowledge base that has a reranker of its own already keeps the better of the two.

    Raises:
        UsageError: no question has evidence.
        ModelError: the model cannot be written there.
    """
    own = index.root / RERANKER
    before = gains(index, examples, opened(own) if own.is_dir() else None)
    decision = decided(before, gains(index, examples, opened(folder)))
    if decision.adopted:
        with index.writing(), staged(own) as staging:
            shutil.copytree(folder, staging, dirs_exist_ok=True)
    return decision

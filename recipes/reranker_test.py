"""The reranker on what it has never seen: nDCG@10 of the search's order and of the reranked one, with paired intervals.

`--part validation` looks at a tenth of the SQuAD articles and chooses how much the search's score weighs; `test`, the
default, looks once at another fifth, and at collections of other fields: Cranfield (aerodynamics), SciFact (medicine),
FiQA (finance) and HotpotQA (two passages a question).

    python recipes/reranker_test.py --late
    python recipes/reranker_test.py --adapter runs/reranker/adapter
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from grounded import load

import trivium
from trivium.evaluate.statistics import interval
from trivium.models.adapters import merged, settings
from trivium.models.base import Reranker
from trivium.models.late import PRIOR, LateReranker
from trivium.models.pull import ensure
from trivium.models.rerank import OnnxReranker
from trivium.retrieve.search import search
from trivium.tasks.questions import read_questions
from trivium.tune.retrieval.negatives import holds_evidence
from trivium.types import Document, Example

FILES = {
    "cranfield": ("cranfield",),
    "scifact": ("beir/beir_scifact_test.json",),
    "hotpot": ("multihop/hotpot.json", "multihop/hotpot_dev_distractor_v1.json"),
    "fiqa": ("beir/beir_fiqa_test.json",),
}
DEPTH = 20


def of_set(data: Path, name: str) -> tuple[list[Example], list[Document]]:
    """Return the answerable questions of a set and all its passages: a part of the SQuAD articles, or a collection."""
    examples: list[Example] = []
    documents: dict[str, Document] = {}
    if name in FILES:
        for file in FILES[name]:
            found = read_questions(data / file)
            examples += found.examples
            documents |= {document.source: document for document in found.documents}
    else:
        examples, passages = load(data, name)
        documents = {document.source: document for document in passages}
    fit = [example for example in examples if example.evidence and not example.unanswerable]
    return random.Random(0).sample(fit, len(fit)), list(documents.values())


def candidates(data: Path, name: str, most: int, out: Path) -> list[dict[str, Any]]:
    """Return for each question its hits, their scores and whether they answer; kept in a file."""
    file = out / f"candidates-{name}.json"
    if file.exists():
        kept: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
        return kept[:most]
    examples, documents = of_set(data, name)
    base = trivium.open(out / "kb" / name)
    base.add(documents)
    rows = []
    for example in examples[:most]:
        hits = search(base, example.question, k=DEPTH)
        rows.append(
            {
                "question": example.question,
                "passages": [hit.chunk.text for hit in hits],
                "scores": [hit.score for hit in hits],
                "documents": [hit.chunk.source for hit in hits],
                "right": [holds_evidence(hit, example) for hit in hits],
                "wanted": len({gold.source for gold in example.evidence}),
            }
        )
    file.write_text(json.dumps(rows), "utf-8")
    return rows


def ndcg(row: dict[str, Any], scores: Sequence[float], k: int = 10) -> float:
    """Return nDCG@k of the documents, each at the place of its first part."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    first: dict[str, bool] = {}
    for place in order:
        source = row["documents"][place]
        first[source] = first.get(source, False) or row["right"][place]
    gained = sum(right / np.log2(rank + 2) for rank, right in enumerate(list(first.values())[:k]))
    return float(gained / sum(1 / np.log2(rank + 2) for rank in range(min(k, row["wanted"]))))


def judged(rows: Sequence[dict[str, Any]], reranker: Reranker, depth: int) -> tuple[list[list[float]], float]:
    """Return the reranker's scores of the first `depth` hits of each question, and the milliseconds of a question."""
    start = time.perf_counter()
    found = [reranker.rerank(row["question"], row["passages"][:depth]).tolist() for row in rows]
    return found, 1000 * (time.perf_counter() - start) / len(rows)


def mixed(row: dict[str, Any], scores: Sequence[float], prior: float) -> list[float]:
    """Return the scores that order the hits: those that were not reranked stay behind, in the search's order."""
    first = [score + prior * given for score, given in zip(scores, row["scores"], strict=False)]
    low = min(first, default=0.0) - 1.0
    return [*first, *(low - place for place in range(len(row["scores"]) - len(first)))]


def main() -> None:
    """Print a line a set, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/reranker"))
    parser.add_argument("--adapter", type=Path, default=Path("runs/reranker/adapter"))
    parser.add_argument("--late", action="store_true", help="late interaction of the untuned encoder instead")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--sets", nargs="*", choices=FILES, default=list(FILES))
    parser.add_argument("--questions", type=int, default=300, help="of each set, at most")
    parser.add_argument("--depth", type=int, default=10, help="hits that are reranked")
    parser.add_argument("--candidates-only", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = [arguments.part, *(arguments.sets if arguments.part == "test" else ())]
    sets = {name: candidates(arguments.data, name, arguments.questions, arguments.out) for name in names}
    if arguments.candidates_only:
        return
    base = ensure("all-minilm-l6-v2")
    reranker = LateReranker(base) if arguments.late else OnnxReranker(merged(base, arguments.adapter))
    prior = PRIOR if arguments.late else float(settings(arguments.adapter)["prior"])
    figures: dict[str, Any] = {}
    for name, rows in sets.items():
        found, spent = judged(rows, reranker, arguments.depth)
        before = np.array([ndcg(row, mixed(row, [], 0.0)) for row in rows])
        weights = (0.0, prior / 4, prior / 2, prior, 2 * prior, 4 * prior) if name == "validation" else (prior,)
        for weight in weights:
            pairs = zip(rows, found, strict=True)
            after = np.array([ndcg(row, mixed(row, scores, weight)) for row, scores in pairs])
            gain = interval(list(after - before))
            print(
                f"{name:11} {len(rows):4} questions, prior {weight:5.2f}: {before.mean():.3f} -> {after.mean():.3f}, "
                f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}), {spent:.0f} ms",
                flush=True,
            )
            figures[f"{name} {weight:g}"] = [len(rows), before.mean(), after.mean(), gain.mean, gain.low, gain.high]
    (arguments.out / f"figures-{arguments.part}.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""What each compressor leaves of the passages, of the sentence that answers, and of the answer, on SQuAD.

The five nearest passages of 400 for each question, shortened by each method
with the embedded models; no answer is generated but by the abstractive method.

    python benchmarks/compression.py [questions] [ratio]
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from data import corpus, questions
from trivium.evaluate.metrics.compression import kept
from trivium.evaluate.relevance import holds_answer
from trivium.models.chat import open_chat
from trivium.models.embed import open_embedder
from trivium.retrieve.compress import METHODS, compress
from trivium.retrieve.compress.values import Tools
from trivium.text.sentences import sentence_spans
from trivium.types import Chunk, Example, Gold, Hit


def main(count: int, ratio: float) -> None:
    """Print for each method the mean shares kept, and the seconds a question."""
    embedder = open_embedder(None)
    tools = Tools(open_chat("transformers:", context=2048), embedder)
    passages = corpus("squad")[:400]
    vectors = embedder.embed([passage.text for passage in passages])
    inside = {passage.id for passage in passages}
    drawn = [q for q in questions("squad", "test", limit=None) if q.answers and q.relevant <= inside][:count]
    for method in METHODS:
        rows, done, began = [], [], time.perf_counter()
        for question in drawn:
            order = np.argsort(-(vectors @ embedder.embed_query(question.text)))[:5]
            hits = [_hit(passages[place].id, passages[place].text, 1 - n / 5) for n, place in enumerate(order)]
            left = compress(question.text, hits, tools, method=method, ratio=ratio)
            done.append(left.method)
            texts = [passage.text for passage in left.passages]
            rows.append(kept(hits, texts, _example(question.text, question.answers, hits), tools.chat.count_tokens))
        evidence = [row.evidence for row in rows if row.evidence is not None]
        answer = [row.answer for row in rows if row.answer is not None]
        print(
            json.dumps(
                {
                    "method": method,
                    "carried_out": done.count(method),
                    "questions": len(rows),
                    "tokens": round(float(np.mean([row.tokens for row in rows])), 3),
                    "evidence": round(float(np.mean(evidence)), 3) if evidence else None,
                    "answer": round(float(np.mean(answer)), 3) if answer else None,
                    "answers_there": len(answer),
                    "seconds": round((time.perf_counter() - began) / max(len(rows), 1), 2),
                }
            ),
            flush=True,
        )


def _hit(id: str, text: str, score: float) -> Hit:
    return Hit(Chunk(f"{id}:0", id, id, text, 0, len(text)), score, ("dense",))


def _example(question: str, answers: tuple[str, ...], hits: list[Hit]) -> Example:
    """Return the question with the first sentence of the passages that holds an answer as its evidence."""
    for hit in hits:
        for start, end in sentence_spans(hit.chunk.text):
            if holds_answer(hit.chunk.text[start:end], answers):
                return Example("q", question, answers, (Gold(hit.chunk.source, hit.chunk.text[start:end]),))
    return Example("q", question, answers)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)

"""HyDE: search with a passage that the model makes up, and not with the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trivium import prompts
from trivium.generate.language import language_name
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Embedder, Reranker, Vectors
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.many import scored_for
from trivium.retrieve.search import can_read, search
from trivium.text.clip import clip
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def hyde(
    question: str,
    *,
    chat: Chat,
    index: Index,
    k: int = 10,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
    max_tokens: int = 128,
) -> Answer:
    """Answer from the passages nearest to a made-up one (Gao et al. 2022, arXiv:2212.10496).

    The dense arm searches with the mean of the vectors of the question and of the passage; the words searched for are
    those of the question. Where the embedder cannot read the question, the words of the passage are searched for as
    well. The made-up passage is kept in the trace and shown to nobody.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("imagine") as detail:
        messages = prompts.fill("hyde", question=asked, language=language_name(asked))
        said = chat.complete(messages, max_tokens=max_tokens)
        run.usage += said.usage
        passage = " ".join(said.text.split())
        detail |= {"passage": passage, "model": chat.name}
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        readable = can_read(index, asked)
        hits = search(
            index,
            asked if readable else f"{asked} {passage}",
            k=wanted,
            where=where,
            principals=principals,
            vector=_mean(index.embedder, asked, passage) if readable and passage else None,
        )
        hits = scored_for(index, asked, hits, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    return read(
        run,
        question,
        asked,
        hits,
        chat=chat,
        index=index,
        principals=principals,
        history=history,
        on_text=on_text,
    )


def _mean(embedder: Embedder, question: str, passage: str) -> Vectors:
    """Return the direction half way between a question and a passage, shape (dimension,)."""
    fitting = clip(passage, embedder.token_spans, embedder.max_tokens)
    total: Vectors = embedder.embed_query(question) + embedder.embed([fitting])[0]
    norm = float(np.linalg.norm(total))
    return total / np.float32(norm) if norm else embedder.embed_query(question)

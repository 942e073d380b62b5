"""RAG-Sequence and RAG-Token: each passage is read by itself, and the answer is likeliest over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft, answer, refuse
from trivium.generate.answer_prompt import shown
from trivium.generate.cite import cite
from trivium.generate.evidence import Evidence
from trivium.generate.manner import manner_for
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Embedder, Reranker
from trivium.models.decode import Lends
from trivium.models.decode.marginal import marginal as decoded
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import candidates, choose
from trivium.retrieve.search import can_read, clean_question, search
from trivium.text.markers import without_markers
from trivium.types import Answer, Hit, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

TEMPERATURE = 0.1
"""Of the passages' weights, exp(score / T): of two hits a tenth apart in score the better weighs 2.7 times as much."""


def marginal(
    question: str,
    *,
    chat: Chat,
    index: Index,
    k: int = 5,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
    mode: str = "token",
) -> Answer:
    """Answer with the probability summed over the passages (Lewis et al. 2020, arXiv:2005.11401).

    The model reads the question once with each passage. By "token" the sum is taken at each token, by "sequence" over
    whole answers (`trivium.models.decode.marginal`). A passage weighs exp(its search score / T). The answer is cited
    from all passages, as ever. With a model that does not lend its weights (all but `transformers:MODEL`) the
    passages are read together, as `naive` reads them; the trace says so.

    Raises:
        UsageError: the question is empty, or there is no such mode.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    reader = Reader(index, principals)
    embedder = index.embedder if can_read(index, asked) else None
    run.generate()
    if not hits:
        return run.finish(question, refuse(asked, "nothing was found", on_text))
    if not isinstance(chat, Lends):
        why = "the chat model does not lend its weights, as one opened with transformers:MODEL does"
        draft = answer(
            asked,
            hits,
            chat=chat,
            manner=manner_for(chat).freely(),
            read=reader.document,
            embedder=embedder,
            history=history,
            on_text=on_text,
        )
        draft = replace(draft, steps=(Step("marginal", {"done": False, "note": why}), *draft.steps))
    else:
        draft = _summed(asked, hits, chat, reader, embedder, mode)
        if on_text is not None:
            on_text(draft.text)
    return run.finish(question, draft, hits)


rag_token = partial(marginal, mode="token")
rag_sequence = partial(marginal, mode="sequence")


def weights(hits: Sequence[Hit]) -> list[float]:
    """Return p(passage | question) for each hit: a softmax of the scores; they sum to 1."""
    best = max(hit.score for hit in hits)
    raw = [math.exp((hit.score - best) / TEMPERATURE) for hit in hits]
    return [one / sum(raw) for one in raw]


def _summed(
    question: str, hits: Sequence[Hit], chat: Chat, reader: Reader, embedder: Embedder | None, mode: str
) -> Draft:
    assert isinstance(chat, Lends)
    manner = manner_for(chat).freely()
    framed = [shown(question, [hit], chat, manner) for hit in hits]
    shares = weights(hits)
    prompts = [messages for messages, _ in framed]
    said = decoded(chat, prompts, shares, mode=mode, max_tokens=manner.max_tokens, stop=manner.stop)
    places = [(h.chunk.id, h.chunk.start, h.chunk.end) for _, frame in framed for h in frame.hits]
    detail = {"done": True, "mode": mode, "weights": [round(share, 4) for share in shares], "shown": places}
    steps = (Step("marginal", detail), Step("generate", {"model": chat.name, "finish": said.finish_reason}))
    if says_nothing(without_markers(said.text)):
        refused = refuse(question, "the model found no answer", usage=said.usage)
        return replace(refused, steps=(*steps, *refused.steps))
    cited = cite(said.text, question, Evidence(hits), reader.document, embedder)
    return Draft(cited.text, False, cited.citations, cited.unsupported, said.usage, steps)

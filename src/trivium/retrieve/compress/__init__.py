"""Shorten what was found before a model reads it: whole sentences, phrases, words, or a summary in their place.

| method | what is left | needs |
|---|---|---|
| `extractive` | the sentences nearest to the question (RECOMP) | an embedder, or words alone |
| `abstractive` | a summary for the question (RECOMP) | a chat model, one call |
| `selective_context` | the phrases that a language model did not expect | a model that scores text |
| `llmlingua` | the words that it did not expect, given what was kept before them | the same |
| `long_llmlingua` | the words that the question makes likelier, more of the passages that explain it | the same |

All but the summary leave spans of the passage as they stand, so that it is known what a reader was not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trivium.errors import UnknownName, UsageError
from trivium.models.base import Scorer
from trivium.retrieve.compress.lingua import llmlingua, long_llmlingua
from trivium.retrieve.compress.recomp import abstractive, extractive
from trivium.retrieve.compress.selective import selective_context
from trivium.retrieve.compress.values import Compression, Tools
from trivium.types import Hit

Method = Callable[[str, Sequence[Hit], Tools, float], Compression]

METHODS: Mapping[str, Method] = {
    "extractive": extractive,
    "abstractive": abstractive,
    "selective_context": selective_context,
    "llmlingua": llmlingua,
    "long_llmlingua": long_llmlingua,
}
BY_LIKELIHOOD = ("selective_context", "llmlingua", "long_llmlingua")
"""Those that need the log-probabilities of a given text."""


def compress(question: str, hits: Sequence[Hit], tools: Tools, *, method: str, ratio: float) -> Compression:
    """Return the hits shortened by a method of `METHODS` to about `ratio` of their characters.

    A method that needs the log-probabilities of a text, of a model that does not give them, is carried out as
    `extractive`; `Compression.method` and `Compression.note` say so.

    Args:
        question: plain text.
        hits: best first.
        tools: the models at hand.
        method: a name.
        ratio: above 0, up to 1; at 1 nothing is left out.

    Raises:
        UnknownName: there is no such method.
        UsageError: `ratio` is out of range.
        ModelError: a model failed.
    """
    if method not in METHODS:
        raise UnknownName("method of compression", method, METHODS)
    if not 0 < ratio <= 1:
        raise UsageError(f"A compression to {ratio} was asked for.", "Give a share above 0, up to 1.")
    if method in BY_LIKELIHOOD and not isinstance(tools.chat, Scorer):
        note = "the chat model does not score a given text, as one opened with transformers:MODEL does"
        done = extractive(question, hits, tools, ratio)
        return Compression(done.passages, "extractive", note, done.usage)
    return METHODS[method](question, hits, tools, ratio)

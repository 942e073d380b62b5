"""One sentence of reasoning from passages, and whether it is the last.

Chain of thought in steps that can be searched for: Trivedi et al. 2022, IRCoT, arXiv:2212.10509.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trivium.generate.queries import one_line
from trivium.generate.shown_with import with_passages
from trivium.models.base import Chat
from trivium.text.sentences import sentence_spans
from trivium.types import Completion, Hit

_MAX_TOKENS = 64
_CONCLUDES = re.compile(r"\b(?:the )?(?:final )?answer\b(?: is|:)|答案(?:是|为|：|:)|因此答案", re.IGNORECASE)


def think(question: str, passages: Sequence[Hit], reasoning: Sequence[str], chat: Chat) -> Completion:
    """Return what the model thinks next; only its first sentence is meant (`first_sentence`).

    Args:
        question: one that stands by itself.
        passages: the most important first; they are shown fenced.
        reasoning: the sentences so far.
        chat: the model.

    Raises:
        ContextOverflow: the question alone is too long for the model.
        ModelError: the model failed.
    """
    so_far = " ".join(one_line(sentence) for sentence in reasoning) or "(nothing yet)"
    messages, _ = with_passages("think", question, passages, chat, max_tokens=_MAX_TOKENS, reasoning=so_far)
    return chat.complete(messages, max_tokens=_MAX_TOKENS, stop=("\n",))


def first_sentence(text: str) -> str:
    """Return the first sentence of a text on one line, "" of an empty one."""
    spans = sentence_spans(text)
    return one_line(text[spans[0][0] : spans[0][1]]) if spans else ""


def concludes(thought: str) -> bool:
    """Whether a sentence of reasoning says that it gives the answer."""
    return _CONCLUDES.search(thought) is not None

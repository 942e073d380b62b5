"""Text that a prompt quotes and that nobody vouches for: broken up where it poses as part of the prompt.

A document, an answer or a question may hold text that was written to command the model ("ignore previous
instructions"). Quoted text stands between fences that carry a code its author cannot know, and what looks like a
role mark or a control token of a chat template inside it means nothing. (Greshake et al. 2023, arXiv:2302.12173;
fences as in Hines et al. 2024, "Defending against indirect prompt injection attacks with spotlighting",
arXiv:2403.14720.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

_TEMPLATE_TOKEN = re.compile(
    r"<(?=[|｜])|<(?=/?(?:s|bos|eos|unk|pad|sep|cls|mask|think|tool_call|tool_response|start_of_turn|end_of_turn|"
    r"im_start|im_end|image|system|user|assistant)>)|\[(?=/?INST\])|<<(?=/?SYS>>)",
    re.IGNORECASE,
)
_ROLE_MARK = re.compile(
    r"^(\s*)(#{1,6}\s*)?(system|assistant|user|instructions?|question|answer)(\s*[:：])", re.IGNORECASE | re.MULTILINE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def code_for(texts: Iterable[str]) -> str:
    """Return the code of the fences around `texts`: a hash of all of them.

    No text can hold it, since it depends on the whole of each; and the same request gives the same prompt, so that
    cached model calls are found again.
    """
    digest = hashlib.blake2b(digest_size=4)
    for text in texts:
        digest.update(text.encode("utf-8", "replace"))
        digest.update(b"\x00")
    return digest.hexdigest()


def neutralise(text: str) -> str:
    """Return quoted text in which control tokens of chat templates and role marks mean nothing to a model."""
    text = _CONTROL.sub(" ", text)
    text = _TEMPLATE_TOKEN.sub(lambda match: match.group() + " ", text)
    return _ROLE_MARK.sub(r"\1\2\3 \4", text)


def numbered(texts: Sequence[str], *others: str) -> tuple[str, str]:
    """Return texts numbered from 1 between fences, and the code of the fences.

    Args:
        texts: those to quote.
        others: what else the prompt holds, for the code.
    """
    code = code_for([*others, *texts])
    blocks = [f"<<<{code} [{n}]\n{neutralise(text)}\n{code}>>>" for n, text in enumerate(texts, start=1)]
    return "\n".join(blocks), code

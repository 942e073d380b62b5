"""What the local chat models share: conversations made safe for a template, and the name of a file's content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trivium.errors import UsageError
from trivium.types import Message

_SAMPLED_BLOCKS, _SAMPLE_BYTES = 64, 4096
_PASSES = 4


def control_pattern(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of a vocabulary's control tokens (`<|im_end|>` and the like), longest first."""
    words = sorted({token for token in tokens if len(token) > 1 and not token.isspace()}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words))) if words else None


def defused(text: str, control: re.Pattern[str] | None) -> str:
    """Break each control token that `text` spells out by a blank, so that it is read as letters."""
    if control is None:
        return text
    for _ in range(_PASSES):  # a broken token may hold a shorter one
        text, found = control.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        if not found:
            break
    return text


def turns(messages: Sequence[Message], control: re.Pattern[str] | None, max_tokens: int) -> list[dict[str, str]]:
    """Return the conversation for a chat template: defused, and with a system message of ours in front.

    Where the caller gives none it is empty. Templates otherwise add their own ("You are a helpful assistant
    named …"), which changes a small model's answers: of 24 simple questions SmolLM2-135M gets 21 right with an
    empty one, 18 with its template's.

    Raises:
        UsageError: there are no messages, or no token may be written.
    """
    if not messages:
        raise UsageError("A chat model was asked with no messages.", "Give it at least one.")
    if max_tokens < 1:
        raise UsageError(f"max_tokens is {max_tokens}.", "Let the model write at least one token.")
    found = [{"role": turn.role, "content": defused(turn.content, control)} for turn in messages]
    return found if found[0]["role"] == "system" else [{"role": "system", "content": ""}, *found]


def fingerprint(path: Path) -> str:
    """Return 12 hex digits of the SHA-256 of a file's size and of 64 blocks spread over it.

    Hashing a model whole takes seconds; retrained, requantised or cut weights differ in every such block.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(_SAMPLED_BLOCKS):
            file.seek(number * max(size - _SAMPLE_BYTES, 0) // (_SAMPLED_BLOCKS - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:12]

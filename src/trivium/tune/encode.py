"""Turn samples into rows of tokens, with a label on each token that is to be learnt and on no other.

What is learnt is found in the text, not in the tokens: the template's words around an answer are rendered with it and
without it, and the difference is the answer with the token that ends it. The end is a label too, even where it is
also the padding token: a model that never learns it never stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.errors import UsageError
from trivium.models.turns import control_pattern, defused
from trivium.tasks.training.values import Dialogue, Text, Turn
from trivium.tune.rows import IGNORED, Row

PLAIN_TEMPLATE = (
    "{% for message in messages %}{% if message['content'] %}{{ message['role'].capitalize() + ': ' "
    "+ message['content'] + (eos_token if message['role'] == 'assistant' else '') + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
)
"""For a tokenizer without a chat template. It is saved with the adapter, so that use and training agree."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows, and what was left out: `too_long` and `untrained` are the ids of samples."""

    rows: tuple[Row, ...]
    too_long: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()


def encode_dialogues(samples: Iterable[Dialogue], tokenizer: Any, *, longest: int) -> Encoded:
    """Return one row for each dialogue of at most `longest` tokens.

    A conversation is prepared as at run time: control tokens that a text spells out are broken up, and where it has
    no system message it gets an empty one, so that no template adds its own.

    Raises:
        UsageError: the model's chat template does not render an answer after its beginning, so that what is to be
            learnt cannot be found.
    """
    rows, too_long, untrained = [], [], []
    for sample in samples:
        text, spans = _rendered(sample, tokenizer)
        row = _row(text, spans, tokenizer)
        if len(row) > longest:
            too_long.append(sample.id)
        elif not row.trained:
            untrained.append(sample.id)
        else:
            rows.append(row)
    return Encoded(tuple(rows), tuple(too_long), tuple(untrained))


def encode_texts(samples: Iterable[Text], tokenizer: Any, *, longest: int) -> Encoded:
    """Return rows of plain text, each token learnt; a text that is longer than `longest` gives several rows."""
    rows = []
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for sample in samples:
        ids = [*tokenizer(sample.text, add_special_tokens=False, verbose=False)["input_ids"], *end]
        # The last token of a part is the first of the next, so that every token is predicted once.
        for start in range(0, max(len(ids) - 1, 1), longest - 1):
            part = tuple(ids[start : start + longest])
            rows.append(Row(part, (IGNORED, *part[1:])))
    return Encoded(tuple(row for row in rows if row.trained))


def prompt_ids(turns: Sequence[Turn], tokenizer: Any, tools: str = "") -> list[int]:
    """Return the tokens before an assistant's answer to `turns`."""
    text = _template(tokenizer, _messages(turns, tokenizer, tools), tools, open_end=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _rendered(sample: Dialogue, tokenizer: Any) -> tuple[str, list[tuple[int, int]]]:
    """Return the dialogue's text and the spans of it that are learnt."""
    turns = _messages(sample.messages, tokenizer, sample.tools)
    offset = len(turns) - len(sample.messages)
    whole = _template(tokenizer, turns, sample.tools, open_end=False)
    spans = []
    for number, turn in enumerate(sample.messages):
        if not turn.trained:
            continue
        before = _template(tokenizer, turns[: number + offset], sample.tools, open_end=True)
        after = _template(tokenizer, turns[: number + offset + 1], sample.tools, open_end=False)
        if not (after.startswith(before) and whole.startswith(after)):
            raise UsageError(
                f"{sample.id or 'A dialogue'}: the model's chat template changes what stands before an answer, so "
                "that its tokens cannot be told from the prompt's.",
                "Train on one answer a dialogue, or give the model's folder a template that only appends.",
            )
        said = after[len(before) :]
        end = tokenizer.eos_token or ""
        stop = said.rfind(end) + len(end) if end and end in said else len(said)
        spans.append((len(before), len(before) + stop))
    return whole, spans


def _messages(turns: Sequence[Turn], tokenizer: Any, tools: str = "") -> list[dict[str, Any]]:
    """Return the turns for the template; tools and calls as text where it has no place for them."""
    control = _control(tokenizer)
    places = "tool_calls" in (tokenizer.chat_template or "")
    found: list[dict[str, Any]] = []
    for turn in turns:
        content = defused(turn.content, control)
        if turn.calls and not places:
            content = "\n".join(filter(None, (content, f"<tool_call>\n{turn.calls}\n</tool_call>")))
        found.append({"role": turn.role, "content": content})
        if turn.calls and places:
            calls = json.loads(turn.calls)
            found[-1]["tool_calls"] = [{"type": "function", "function": call} for call in calls]
    if not found or found[0]["role"] != "system":
        found.insert(0, {"role": "system", "content": ""})
    if tools and not places:
        found[0]["content"] = "\n".join(filter(None, (found[0]["content"], f"<tools>\n{tools}\n</tools>")))
    return found


def _control(tokenizer: Any) -> Any:
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return control_pattern([*special, *tokenizer.all_special_tokens])


def _template(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: str, *, open_end: bool) -> str:
    places = "tool_calls" in (tokenizer.chat_template or "")
    rendered: str = tokenizer.apply_chat_template(
        list(messages),
        tokenize=False,
        add_generation_prompt=open_end,
        chat_template=None if tokenizer.chat_template else PLAIN_TEMPLATE,
        tools=json.loads(tools) if tools and places else None,
    )
    return rendered


def _row(text: str, spans: Sequence[tuple[int, int]], tokenizer: Any) -> Row:
    given = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids, offsets = given["input_ids"], given["offset_mapping"]
    labels = [IGNORED] * len(ids)
    for place, (start, end) in enumerate(offsets):
        if place and any(start < last and end > first for first, last in spans):
            labels[place] = ids[place]
    return Row(tuple(ids), tuple(labels))

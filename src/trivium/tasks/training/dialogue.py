"""Rows with something to be answered: messages, ShareGPT, Alpaca, prompt and completion; preferred and rated answers.

A turn keeps its text as the file has it, white space too: a completion may begin with a blank on purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.training.names import get, has, key_of
from trivium.tasks.training.values import Dialogue, Preference, Rated, Role, Turn
from trivium.tasks.values import text, texts

Note = Callable[[str, str], None]
"""Takes what was repaired in a row, and a short name to count it by."""

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool_calls": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}
_CALLS = ("function_call", "tool_call", "tool_calls")
_LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "data")
_PLACE_HOLDER = re.compile(r"\{\{\s*\w+\s*\}\}")
_HH_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
_TRUE, _FALSE = ("true", "1", "yes", "good", "desirable"), ("false", "0", "no", "bad", "undesirable")


# --- turns -----------------------------------------------------------------------------------------------------


def listed(record: Mapping[str, Any]) -> list[Any] | None:
    """Return the list of turns that a record has under any of its usual names, or None."""
    for key in _LISTS:
        value = record.get(key)
        if isinstance(value, str) and value[:1] == "[":
            value = _json(value, key)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value
        if isinstance(value, list) and len(value) > 1 and all(isinstance(one, str) for one in value):
            return value  # said in turn
    return None


def turns_of(items: Sequence[Any]) -> list[Turn]:
    """Return turns from a list of `{role, content}`, `{from, value}`, or texts that a user and a model say in turn.

    Raises:
        Malformed: a turn has no known role, or is no text.
    """
    found = []
    for number, item in enumerate(items, 1):
        if isinstance(item, str):
            found.append(Turn("user", item) if number % 2 else Turn("assistant", item, trained=True))
            continue
        if not isinstance(item, Mapping):
            raise Malformed(f"has a turn {number} that is no object with a role and a content")
        given = item.get("role", item.get("from"))
        said_by = str(given).lower().replace("-", "_")
        role = _ROLES.get(said_by)
        if role is None:
            known = "system, user, assistant, tool"
            raise Malformed(f"has a turn {number} of the role {given!r}; known are {known}")
        content = _content(item.get("content", item.get("value")), number)
        written = _calls(content, number) if said_by in _CALLS else ""
        trained = role == "assistant" and item.get("weight") != 0
        found.append(Turn(role, "" if written else content, trained, written or _tool_calls(item, number)))
    return found


def _content(value: Any, number: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # parts of a message
        other = [part.get("type") for part in value if isinstance(part, Mapping) and "text" not in part]
        if other or not all(isinstance(part, str | Mapping) for part in value):
            raise Malformed(f"has a turn {number} with a part that is no text ({other[0] if other else value[0]!r})")
        return "".join(part if isinstance(part, str) else str(part["text"]) for part in value)
    return json.dumps(value, ensure_ascii=False)  # a tool's result


def _calls(content: str, number: int) -> str:
    """Return the calls that the text of a function-call turn writes, as a JSON list; empty where it is no JSON."""
    try:
        value = json.loads(content)
    except ValueError:
        return ""  # a call in a language of its own is learnt as the text that it is
    calls = value if isinstance(value, list) else [value]
    return _call_list(calls, number)


def _tool_calls(item: Mapping[str, Any], number: int) -> str:
    calls = item.get("tool_calls") or ([item["function_call"]] if item.get("function_call") else [])
    return _call_list([call.get("function", call) for call in calls], number) if calls else ""


def _call_list(calls: Sequence[Any], number: int) -> str:
    found = []
    for call in calls:
        if not (isinstance(call, Mapping) and call.get("name")):
            raise Malformed(f"has a turn {number} with a call that names no function")
        arguments = call.get("arguments", call.get("parameters", {}))
        if isinstance(arguments, str):
            arguments = _json(arguments, f"the arguments of turn {number}") if arguments.strip() else {}
        found.append({"name": call["name"], "arguments": arguments})
    return json.dumps(found, ensure_ascii=False)


def _json(value: str, what: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise Malformed(f"has {what} that is no JSON: {value[:60]!r}") from None


def _tools(record: Mapping[str, Any]) -> str:
    value = get(record, "tools")
    if isinstance(value, str):
        value = _json(value, "a list of tools") if value.strip() else []
    return json.dumps(value, ensure_ascii=False) if value else ""


def _with_system(record: Mapping[str, Any], turns: list[Turn]) -> list[Turn]:
    system = get(record, "system")
    if isinstance(system, str) and system.strip() and not any(turn.role == "system" for turn in turns):
        return [Turn("system", system), *turns]
    return turns


def _finished(turns: list[Turn], note: Note) -> tuple[Turn, ...]:
    """Return turns that end with something to learn.

    Raises:
        Malformed: there is no answer, or it is empty.
    """
    if not any(turn.trained for turn in turns):
        raise Malformed("has no answer to learn: no turn of the assistant")
    last = max(place for place, turn in enumerate(turns) if turn.role == "assistant")
    if last + 1 < len(turns):
        note("ends with turns that nobody answers: left out", "open end")
        turns = turns[: last + 1]
    empty = [
        place for place, turn in enumerate(turns, 1) if turn.trained and not turn.content.strip() and not turn.calls
    ]
    if empty:
        raise Malformed(f"has an empty answer (turn {empty[0]})")
    first = next(place for place, turn in enumerate(turns) if turn.role != "system")
    if turns[first].role == "assistant":
        if len(turns) == first + 1:
            raise Malformed("has an answer and nothing that asks for it")
        note("begins with an answer: not trained", "begins with an answer")
        turns = [*turns[:first], replace(turns[first], trained=False), *turns[first + 1 :]]
        if not any(turn.trained for turn in turns):
            raise Malformed("has no answer to learn: the assistant only opens the dialogue")
    if any(turn.trained and _PLACE_HOLDER.search(turn.content) for turn in turns):
        note("trains a placeholder such as {{name}}, which wants filling in", "placeholder")
    return tuple(turns)


def _asking(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return turns as a prompt: nothing of it is trained.

    Raises:
        Malformed: it asks nothing.
    """
    if not any(turn.role in ("user", "tool") and turn.content.strip() for turn in turns):
        raise Malformed("has an empty prompt")
    return tuple(replace(turn, trained=False) for turn in turns)


# --- dialogues -------------------------------------------------------------------------------------------------


def is_messages(record: Mapping[str, Any]) -> bool:
    """Whether a record has OpenAI's `messages`, or turns of that form under another name."""
    first = (listed(record) or [None])[0]
    return isinstance(first, str) or (isinstance(first, Mapping) and ("role" in first or "content" in first))


def is_sharegpt(record: Mapping[str, Any]) -> bool:
    """Whether a record has ShareGPT's `conversations`."""
    first = (listed(record) or [None])[0]
    return isinstance(first, Mapping) and ("from" in first or "value" in first)


def read_messages(record: Record, id: str, note: Note) -> Iterator[Dialogue]:
    """Read one dialogue of turns; a `completion` beside them is its last answer."""
    value = record.value
    items = listed(value)
    if items is None:
        raise Malformed("has no list of turns")
    turns = _with_system(value, turns_of(items))
    if turns[-1].role != "assistant" and (completion := get(value, "completion")) is not None:
        turns += _answer_turns(completion)
    yield Dialogue(_finished(turns, note), _tools(value), id=id)


def _answer_turns(value: Any) -> list[Turn]:
    """Return the turns of an answer: a text, a message, or a list of messages or of alternatives."""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return turns_of(value)
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        value = next(iter(texts(value)), "")
    elif isinstance(value, list):
        value = value[0]
    return [Turn("assistant", value if isinstance(value, str) else text(value), trained=True)]


def is_alpaca(record: Mapping[str, Any]) -> bool:
    """Whether a record has an instruction."""
    return has(record, "instruction") and "instances" not in record


def read_alpaca(record: Record, id: str, note: Note) -> Iterator[Dialogue]:
    """Read instruction, input, output; `system` and `history` (pairs of question and answer) where there are any."""
    value = record.value
    output = get(value, "output")
    output = get(value, "completion") if output is None else output
    if output is None:
        raise Malformed("has no 'output'")
    past = [turn for pair in get(value, "history") or [] for turn in turns_of(list(pair))]
    asked = _joined(text(get(value, "instruction")), text(get(value, "input")) or text(get(value, "context")))
    if not asked.strip():
        raise Malformed("has an empty instruction")
    turns = [*past, Turn("user", asked), *_answer_turns(output)]
    yield Dialogue(_finished(_with_system(value, turns), note), _tools(value), id=id)


def _joined(instruction: str, given: str) -> str:
    return f"{instruction}\n{given}" if instruction.strip() and given.strip() else instruction or given


def is_seed_task(record: Mapping[str, Any]) -> bool:
    """Whether a record is a Self-Instruct task: an instruction with instances (Wang et al. 2022, arXiv:2212.10560)."""
    return has(record, "instruction") and isinstance(record.get("instances"), list)


def read_seed_task(record: Record, id: str, note: Note) -> Iterator[Dialogue]:
    """Read each instance as one dialogue; they are one group."""
    instances = record.value["instances"]
    if not instances:
        raise Malformed("has no instance")
    for number, instance in enumerate(instances, 1):
        one = {"instruction": record.value["instruction"], **instance}
        own = f"{id}#{number}" if len(instances) > 1 else id
        for dialogue in read_alpaca(Record(record.where, one), own, note):
            yield replace(dialogue, group=id)


def is_prompt_completion(record: Mapping[str, Any]) -> bool:
    """Whether a record has something asked and its answer: prompt and completion, context and response, ..."""
    context = get(record, "context")
    if isinstance(context, list) and context and isinstance(context[0], list):  # passages with titles: a question set
        return False
    asks = has(record, "prompt") or has(record, "context") or has(record, "input")
    return asks and (has(record, "completion") or has(record, "output"))


def read_prompt_completion(record: Record, id: str, note: Note) -> Iterator[Dialogue]:
    """Read a prompt with its answer. Each may be a text or a list of turns; a context stands before the prompt."""
    value = record.value
    turns = _prompt(value)
    answer = get(value, "completion")
    answer = get(value, "output") if answer is None else answer
    if answer is None:
        raise Malformed("has no 'completion' (or response, answer, output)")
    turns = [replace(turn, trained=False) for turn in turns] + _answer_turns(answer)
    yield Dialogue(_finished(_with_system(value, turns), note), _tools(value), id=id)


def _prompt(value: Mapping[str, Any]) -> list[Turn]:
    """Return the turns before the answer.

    Raises:
        Malformed: there are none, or they ask nothing.
    """
    if (items := listed(value)) is not None:
        return _with_system(value, turns_of(items))
    prompt, context = get(value, "prompt"), get(value, "context")
    if isinstance(context, list) and all(isinstance(one, str | Mapping) for one in context):
        before = _alternating(context) if all(isinstance(one, str) for one in context) else turns_of(context)
        return [*before, Turn("user", text(prompt))] if text(prompt) else before
    if isinstance(prompt, list):
        return _with_system(value, turns_of(prompt))
    asked = prompt if isinstance(prompt, str) else text(prompt)
    if text(context) and asked.strip():
        asked = f"{text(context)}\n\n{asked}"
    asked = asked or (context if isinstance(context, str) else text(context))
    asked = asked or _joined(text(get(value, "instruction")), text(get(value, "input")))
    if not asked.strip():
        raise Malformed("has an empty prompt")
    return _with_system(value, [Turn("user", asked)])


def _alternating(context: Sequence[str]) -> list[Turn]:
    """Return turns of a history that ends with what is to be answered: the user speaks last."""
    count = len(context)
    return [Turn("user" if (count - place) % 2 else "assistant", one) for place, one in enumerate(context)]


# --- preferred and rated answers -------------------------------------------------------------------------------


def is_preference(record: Mapping[str, Any]) -> bool:
    """Whether a record has a preferred and a rejected answer."""
    return has(record, "chosen", "rejected")


def read_preference(record: Record, id: str, note: Note) -> Iterator[Preference]:
    """Read two answers to a prompt; where there is no prompt, it is what both of them begin with."""
    value = record.value
    both = [_side(get(value, "chosen")), _side(get(value, "rejected"))]
    given = value["input"] if isinstance(value.get("input"), Mapping) else value
    shared = 0
    while all(len(turns) > shared + 1 for turns in both) and _same(both[0][shared], both[1][shared]):
        shared += 1
    if shared:  # both are whole dialogues
        prompt, both = _with_system(value, both[0][:shared]), [turns[shared:] for turns in both]
    elif listed(given) or has(given, "prompt") or has(given, "instruction") or has(given, "input"):
        prompt = _prompt(given)
    else:
        raise Malformed("has no prompt, and answers that begin with none")
    chosen, rejected = (_one_answer(turns) for turns in both)
    if chosen == rejected:
        raise Malformed("has the same answer as chosen and as rejected")
    yield Preference(_asking(prompt), chosen, rejected, id=id)


def _side(value: Any) -> list[Turn]:
    if isinstance(value, str) and _HH_TURN.match(value):  # "\n\nHuman: ...\n\nAssistant: ..."
        parts = _HH_TURN.split(value)[1:]
        said = zip(parts[::2], parts[1::2], strict=True)
        return [Turn("user" if who == "Human" else "assistant", words.strip()) for who, words in said]
    return _answer_turns(value)


def _same(a: Turn, b: Turn) -> bool:
    return (a.role, a.content) == (b.role, b.content)


def _one_answer(turns: Sequence[Turn]) -> str:
    if len(turns) != 1 or turns[0].role != "assistant":
        raise Malformed("has an answer that is not one turn of the assistant")
    if not turns[0].content.strip():
        raise Malformed("has an empty answer")
    return turns[0].content


def is_rated(record: Mapping[str, Any]) -> bool:
    """Whether a record has an answer and whether it was good: true or false, as KTO wants it."""
    if not (listed(record) or has(record, "prompt", "completion") or has(record, "instruction", "output")):
        return False
    key = key_of(record, "label")
    return bool(key) and _verdict(record[key]) is not None


def _verdict(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    said = str(value).strip().lower()
    return True if said in _TRUE else False if said in _FALSE else None


def read_rated(record: Record, id: str, note: Note) -> Iterator[Rated]:
    """Read a prompt with one answer and its verdict."""
    value = record.value
    good = _verdict(get(value, "label"))
    if good is None:
        raise Malformed(f"has the verdict {get(value, 'label')!r}; true or false is wanted")
    turns = _prompt(value)
    if turns[-1].role != "assistant":
        answer = get(value, "completion")
        turns = [*turns, *_answer_turns(get(value, "output") if answer is None else answer)]
    yield Rated(_asking(turns[:-1]), _one_answer(turns[-1:]), good, id=id)

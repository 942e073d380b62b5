"""A chat model as judge: it is asked for JSON, what it gives is checked, and what is no verdict is a failure.

- The texts to judge stand between fences whose code their authors cannot know, and are broken up where they pose as
  part of the prompt (`trivium.text.fence`).
- A reply that is empty, no JSON, outside the schema (a grade out of range, a verdict that does not exist), or not a
  number counts as nothing; so does a model that raises. The judge is asked once more, told what was wrong; then
  `JudgeError` is raised and counted. It never becomes a score.
- Two answers are compared in both orders, since judges prefer a place (Zheng et al. 2023, arXiv:2306.05685); where
  the orders disagree it is a tie, and counted. Since they prefer length too, `win_rate` also gives the rate at equal
  lengths (Dubois et al. 2024, arXiv:2404.04475).
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trivium.errors import JudgeError
from trivium.evaluate.statistics import interval
from trivium.models.base import Chat
from trivium.models.schema import problem
from trivium.prompts import fill
from trivium.text.fence import code_for, neutralise
from trivium.types import Message, Score

Schema = Mapping[str, object]

_THOUGHT = re.compile(r"^.*?</think>", re.DOTALL)
_BLOCK = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL)
_REASONS = 20
_REMEMBERED = 512
_NONE = "(none)"
_Z = 1.959964


def verdict_schema(**fields: Schema) -> dict[str, object]:
    """Return the schema of a reply: a reason first, since models judge better when they say why, then the fields."""
    reason: Schema = {"type": "string", "maxLength": 300}
    return object_schema(reason=reason, **fields)


def object_schema(**fields: Schema) -> dict[str, object]:
    """Return the schema of an object with exactly these fields, in their order."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


class Judge:
    """A chat model that gives verdicts. Threads may share it.

    Args:
        chat: the model; wrap it in `models.cache.cached_chat` to pay for no verdict twice.
        retries: how often it is asked again after a reply that cannot be used.
        max_tokens: of a reply.

    Attributes:
        calls: verdicts asked for.
        failures: those that could not be had.
        reasons: why, with counts; the most frequent first in `most_common()`.
        comparisons: pairs compared in both orders.
        disagreements: those of them where the two orders disagreed.
    """

    def __init__(self, chat: Chat, *, retries: int = 1, max_tokens: int = 400) -> None:
        self.chat = chat
        self.calls = 0
        self.failures = 0
        self.reasons: Counter[str] = Counter()
        self.comparisons = 0
        self.disagreements = 0
        self._retries = retries
        self._max_tokens = max_tokens
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Message, ...], Mapping[str, Any]] = OrderedDict()

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.chat.name

    def ask(self, prompt: str, schema: Schema, **texts: str | Sequence[str]) -> Mapping[str, Any]:
        """Return the model's reply to a prompt, checked against the schema.

        Args:
            prompt: a name in `data/prompts/`; it has the place `{code}` and one for each text.
            schema: of the reply.
            texts: what is judged, by place; several texts are numbered. Each is fenced.

        Raises:
            JudgeError: no usable reply was had; it is counted in `failures`.
        """
        every = [one for text in texts.values() for one in ([text] if isinstance(text, str) else text)]
        code = code_for(every)
        messages = tuple(fill(prompt, code=code, **{place: _fenced(text, code) for place, text in texts.items()}))
        with self._lock:
            known = self._known.get(messages)
            if known is not None:
                self._known.move_to_end(messages)
                return known
            self.calls += 1
        reply, reason = self._asked(messages, schema)
        with self._lock:
            if reply is None:
                self.failures += 1
                if reason in self.reasons or len(self.reasons) < _REASONS:
                    self.reasons[reason] += 1
                raise JudgeError(self.chat.name, reason)
            self._known[messages] = reply
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return reply

    def _asked(self, messages: tuple[Message, ...], schema: Schema) -> tuple[Mapping[str, Any] | None, str]:
        """Ask until a reply can be used, `1 + retries` times at most; return it, or why the last could not."""
        told: tuple[Message, ...] = ()
        reason = ""
        for _ in range(1 + self._retries):
            try:
                text = self.chat.complete([*messages, *told], max_tokens=self._max_tokens, schema=schema).text
            except Exception as error:  # whatever the model fails with, it is a failure of the judge and nothing else
                reason, told = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}", ()
                continue
            reply, reason = read_reply(text, schema)
            if reply is not None:
                return reply, ""
            form = json.dumps(schema, ensure_ascii=False)
            told = (
                Message("assistant", text or "(nothing)"),
                Message("user", f"This cannot be used: {reason}. Reply with one JSON object of this form: {form}"),
            )
        return None, reason

    def prefer(self, question: str, first: str, second: str, passages: Sequence[str] = ()) -> Preference:
        """Compare two answers in both orders.

        Args:
            question: that both answer.
            first: one answer.
            second: the other.
            passages: that a right answer is judged by, where there are some.

        Raises:
            JudgeError: one of the two verdicts could not be had.
        """
        shown = tuple(passages) or _NONE
        schema = verdict_schema(better={"enum": ["first", "second", "neither"]})
        verdicts = [
            self.ask("judge_pair", schema, passages=shown, question=question, first=one, second=other)["better"]
            for one, other in ((first, second), (second, first))
        ]
        swapped = {"first": "second", "second": "first", "neither": "neither"}[verdicts[1]]
        agreed = verdicts[0] == swapped
        with self._lock:
            self.comparisons += 1
            self.disagreements += not agreed
        return Preference(verdicts[0] if agreed else "neither", agreed)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers is better, and whether both orders said so; "neither" where they did not."""

    better: Literal["first", "second", "neither"]
    agreed: bool


def _fenced(text: str | Sequence[str], code: str) -> str:
    if isinstance(text, str):
        return f"<<<{code}\n{neutralise(text) or _NONE}\n{code}>>>"
    numbered = (f"<<<{code} [{number}]\n{neutralise(one)}\n{code}>>>" for number, one in enumerate(text, start=1))
    return "\n".join(numbered) or _fenced(_NONE, code)


def read_reply(text: str, schema: Schema) -> tuple[Mapping[str, Any] | None, str]:
    """Return the object in a reply, or None and why there is no usable one.

    What a reasoning model thought aloud before it, and a code block around it, are looked past. NaN and Infinity,
    which JSON does not have, are refused.
    """
    text = _THOUGHT.sub("", text, count=1).strip()
    if not text:
        return None, "an empty reply"
    block = _BLOCK.search(text)
    try:
        value = json.loads(block[1] if block else text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, "no JSON"
    found = problem(value, schema)
    if found or not isinstance(value, dict):
        return None, found or "no object"
    return value, ""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often the first system's answer was preferred, a tie counting half.

    Attributes:
        raw: the mean preference with its interval.
        at_equal_length: the same as it would be were both answers equally long.
        length_weight: how much of the preference length carries, in logits for a typical difference; 0 for none.
    """

    raw: Score
    at_equal_length: Score
    length_weight: float


def win_rate(preferences: Sequence[Preference], lengths: Sequence[tuple[int, int]]) -> WinRate:
    """Return how often the first answer is preferred, as judged and at equal lengths.

    The length-controlled rate of Dubois et al. 2024, arXiv:2404.04475: a logistic regression of the preference
    (1, ½, 0) on a constant θ and φ · tanh(difference of lengths / its standard deviation); the rate is σ(θ), its
    interval that of θ by the sandwich estimate.

    Args:
        preferences: one a question, of at least two questions.
        lengths: of the first and of the second answer, in any unit.
    """
    value = {"first": 1.0, "neither": 0.5, "second": 0.0}
    y = np.array([value[one.better] for one in preferences], dtype=np.float64)
    difference = np.array([a - b for a, b in lengths], dtype=np.float64)
    spread = float(np.sqrt(np.mean(difference**2)))
    x = np.stack([np.ones(len(y)), np.tanh(difference / spread) if spread else np.zeros(len(y))], axis=1)  # (n, 2)
    weights, errors = _logistic(x, y)
    low, high = weights[0] - _Z * errors[0], weights[0] + _Z * errors[0]
    controlled = Score(_sigmoid(weights[0]), _sigmoid(low), _sigmoid(high), len(y))
    return WinRate(interval(y.tolist()), controlled, float(weights[1]))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, value))))


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of a logistic regression and their sandwich standard errors, each shape (columns,).

    A ridge of ½ (a prior that no weight is large) keeps them finite where the classes part cleanly.
    """
    ridge = 0.5 * np.eye(x.shape[1])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        bend = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(bend, x.T @ (y - p) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
    inverse = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + ridge)
    meat = (x * ((y - p) ** 2)[:, None]).T @ x
    return weights, np.sqrt(np.diag(inverse @ meat @ inverse))

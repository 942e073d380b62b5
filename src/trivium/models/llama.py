"""Chat with a GGUF model in this process, through llama.cpp. `llama_engine.py` holds the model itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trivium.errors import ContextOverflow, ModelError, ModelNotFound, UnknownName, UsageError
from trivium.models.gguf import metadata_items, special_tokens
from trivium.models.home import home
from trivium.models.llama_engine import Engine, Event
from trivium.models.turns import control_pattern, defused, fingerprint, turns
from trivium.types import Completion, Message, TokenLogprob, Usage

DEFAULT_CONTEXT = 8192
"""Used for models that were trained on more: the memory of a longer context is paid when the model loads."""


class LlamaChat:
    """A chat model in a GGUF file. Load it once and share the object: threads may use it at the same time.

    The conversation goes through the model's own chat template. When it begins with no system message, an empty
    one is put before it: templates otherwise add their own ("You are a helpful assistant named …"), which
    changes a small model's answers. Control tokens that a text spells out (`<|im_end|>`) are broken by a blank,
    so that no document can end its turn and speak as somebody else.

    Temperature 0 takes the likeliest token. Otherwise llama.cpp's usual sampling applies (top-k 40, top-p 0.95,
    min-p 0.05), and `seed` fixes it. A prompt's beginning that an earlier request shared is not read again. Where
    that leaves fewer than 64 tokens to read, llama.cpp sums in another order: log-probabilities move by some 0.01
    to 0.2, and near ties can fall otherwise than on a first call. With `prefix_cache=False` (and `parallel=1`) a
    call gives the same bits whatever came before it.

    Args:
        path: the model.
        context: limit of prompt plus completion, in tokens; by default what the model was trained on, but at
            most `DEFAULT_CONTEXT`.
        threads: CPU threads; by default the cores that this process may use.
        parallel: how many requests are worked on at once, each with the memory of a context; others wait.
        adapters: LoRA adapters in GGUF by the name that a request gives.
        prefix_cache: see above.

    Raises:
        ModelNotFound: no such file.
        ModelError: the file is no model that llama.cpp can load.
        UsageError: the model was not trained on so long a context.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        context: int | None = None,
        threads: int | None = None,
        parallel: int = 1,
        adapters: Mapping[str, str | os.PathLike[str]] | None = None,
        prefix_cache: bool = True,
    ) -> None:
        self.path = _existing(path, "model")
        self._adapter_paths = {name: _existing(file, "adapter") for name, file in (adapters or {}).items()}
        facts = _facts(self.path, "model")
        for file in self._adapter_paths.values():
            _check_adapter(file, facts["architecture"])
        self.context = _context(context, facts["context_length"], self.path)
        self._adapters = {name: number for number, name in enumerate(self._adapter_paths)}
        self._engine = Engine(
            self.path,
            context=self.context,
            threads=threads,
            parallel=parallel,
            adapters=tuple(self._adapter_paths.values()),
            prefix_cache=prefix_cache,
            states=home() / "prompts",
        )
        self._reads_ahead = prefix_cache and not adapters

    @cached_property
    def name(self) -> str:
        """The file's name with a fingerprint of its content, and the same for each adapter."""
        parts = [f"{self.path.stem}@{fingerprint(self.path)}"]
        parts += [f"{name}@{fingerprint(file)}" for name, file in self._adapter_paths.items()]
        return "+".join(parts)

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of the adapters that a request may choose."""
        return tuple(self._adapters)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        logprobs: int = 0,
        adapter: str | None = None,
    ) -> Completion:
        """Return the whole completion; see `Chat.complete`.

        With `schema` the text is JSON of that form, unless `finish_reason` is `length`: then it is cut short.
        Give strings a `maxLength`, since a small model may never end one.
        """
        body = self._body(messages, max_tokens, temperature, seed, stop)
        if schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": {"schema": dict(schema)}}
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        text, finish, usage = [], "stop", Usage()
        tokens: list[TokenLogprob] = []
        for event in self._engine.events(body, adapter=self._adapter(adapter)):
            text.append(_text(event))
            tokens += _logprobs(event, logprobs)
            finish = _finish(event) or finish
            usage = _usage(event) or usage
        return Completion("".join(text), usage, finish, tuple(tokens), self.name)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        adapter: str | None = None,
    ) -> Iterator[str]:
        """Yield the text as it is generated; see `Chat.stream`. A prompt that is too long fails at the call."""
        body = self._body(messages, max_tokens, temperature, seed, stop)
        return self._pieces(body, self._adapter(adapter))

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens (about 0.4 ms a call)."""
        answer = self._engine.ask("/tokenize", {"content": defused(text, self._control), "add_special": False})
        return len(answer["tokens"])

    def read_ahead(self, messages: Sequence[Message]) -> None:
        """Read the beginning that the prompts to come share with these messages; see `ReadsAhead`.

        The first time it is read (a second for 300 tokens on two cores) and its state kept under Trivium's home
        (23 kB a token of a model of 135M parameters); from then on it is loaded in milliseconds.

        Raises:
            ContextOverflow, ModelError: as `complete`.
        """
        if not self._reads_ahead:
            return
        spoken = turns(messages, self._control, 1)
        made_by = (fingerprint(self.path), version("xllamacpp"), self.context, spoken)
        name = f"{self.path.stem}-{hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]}"
        if not self._engine.load_state(name):
            self.complete(messages, max_tokens=1)
            self._engine.save_state(name)

    def close(self) -> None:
        """Free the model's memory now rather than when the object goes."""
        self._engine.close()

    def _pieces(self, body: dict[str, Any], adapter: int | None) -> Iterator[str]:
        events = self._engine.events(body, adapter=adapter)
        try:
            for event in events:
                if piece := _text(event):
                    yield piece
        finally:
            events.close()  # type: ignore[attr-defined]  # a generator: this stops the model

    def _body(
        self, messages: Sequence[Message], max_tokens: int, temperature: float, seed: int, stop: Sequence[str]
    ) -> dict[str, Any]:
        spoken = turns(messages, self._control, max_tokens)
        count = self._engine.ask("/v1/chat/completions/input_tokens", {"messages": spoken})["input_tokens"]
        if count + max_tokens > self.context:
            raise ContextOverflow(count, self.context - max_tokens)
        return {
            "messages": spoken,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stop": [word for word in stop if word],
        }

    def _adapter(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name not in self._adapters:
            raise UnknownName("adapter of this model", name, self._adapters)
        return self._adapters[name]

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        return control_pattern(special_tokens(self.path))


def _existing(path: str | os.PathLike[str], what: str) -> Path:
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelNotFound(f"There is no {what} file at {path}.", "Give the path of a GGUF file.")
    return path


def _facts(path: Path, kind: str) -> dict[str, Any]:
    """Read what stands before the vocabulary: the type, the architecture and the context length."""
    facts: dict[str, Any] = {"type": "model", "architecture": "", "context_length": 0}
    for key, value in metadata_items(path):
        if key.startswith("tokenizer."):
            break
        name = key.rsplit(".", 1)[-1]
        if key in ("general.type", "general.architecture") or name == "context_length":
            facts[name] = value
    if facts["type"] != kind:
        raise ModelError(f"{path} is of the type {facts['type']}, not {kind}.", f"Give the path of a GGUF {kind}.")
    return facts


def _check_adapter(path: Path, architecture: str) -> None:
    found = _facts(path, "adapter")["architecture"]
    if found != architecture:
        raise ModelError(
            f"The adapter {path} is for the architecture {found!r}, the model is a {architecture!r}.",
            "Use an adapter that was trained on this very model.",
        )


def _context(asked: int | None, trained: int, path: Path) -> int:
    if asked is None:
        return min(trained, DEFAULT_CONTEXT) if trained else DEFAULT_CONTEXT
    if trained and asked > trained:
        raise UsageError(
            f"A context of {asked} tokens was asked for, and {path.name} was trained on {trained}.",
            f"Ask for {trained} or fewer.",
        )
    return asked


def _text(event: Event) -> str:
    choices = event.get("choices")
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _finish(event: Event) -> str | None:
    choices = event.get("choices")
    return choices[0].get("finish_reason") if choices else None


def _usage(event: Event) -> Usage | None:
    usage = event.get("usage")
    return Usage(usage["prompt_tokens"], usage["completion_tokens"]) if usage else None


def _logprobs(event: Event, alternatives: int) -> list[TokenLogprob]:
    choices = event.get("choices")
    if not alternatives or not choices or not choices[0].get("logprobs"):
        return []
    tokens = []
    for token in choices[0]["logprobs"]["content"]:
        top: dict[str, float] = {}
        for other in token["top_logprobs"]:  # best first; parts of one character can share a text
            top.setdefault(other["token"], other["logprob"])
        tokens.append(TokenLogprob(token["token"], token["logprob"], top))
    return tokens

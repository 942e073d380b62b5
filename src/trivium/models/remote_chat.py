"""A chat model behind an OpenAI-compatible endpoint. `endpoint.py` has the HTTP: the key, retries, errors."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from trivium.errors import ContextOverflow, RemoteError, UnknownName
from trivium.models.endpoint import DEFAULT_KEY_VARIABLE, Endpoint
from trivium.models.remote import approximate_token_spans, wrong_shape
from trivium.models.schema import problem_of_text
from trivium.types import Completion, Message, TokenLogprob, Usage

DEFAULT_CONTEXT = 8192
"""Taken where neither the caller nor the endpoint's list of models names a limit."""

_LIMITS = ("max_model_len", "context_length", "context_window", "max_context_length")
_log = logging.getLogger("trivium.models")


class RemoteChat:
    """A chat model served at `url`/chat/completions.

    An endpoint that refuses or ignores `response_format` is asked in words instead; its answer is checked
    against the schema, and asked for once more before it is an error.

    Args:
        url: the API's base, such as `http://localhost:8000/v1`.
        model: the name under which the endpoint serves the model.
        context: limit of prompt plus completion in tokens; None asks the endpoint's list of models, and takes
            `DEFAULT_CONTEXT` where that does not say.
        adapters: names that a request may give as `adapter`, with the model name that serves each.
        key_variable, timeout, attempts, parallel: see `Endpoint`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        context: int | None = None,
        adapters: Mapping[str, str] | None = None,
        key_variable: str = DEFAULT_KEY_VARIABLE,
        timeout: float = 120.0,
        attempts: int = 4,
        parallel: int = 4,
    ) -> None:
        self._endpoint = Endpoint(url, key_variable=key_variable, timeout=timeout, attempts=attempts, parallel=parallel)
        self._model = model
        self._context = context
        self._adapters = dict(adapters or {})
        self._takes_schemas = True
        self._limit_name = "max_tokens"

    @property
    def name(self) -> str:
        """The address and the model's name there; the endpoint does not tell which weights they are."""
        served = "".join(f"+{name}={model}" for name, model in self._adapters.items())
        return f"{self._endpoint.url}#{self._model}{served}"

    @cached_property
    def context(self) -> int:
        """Limit of prompt plus completion, in tokens."""
        if self._context is not None:
            return self._context
        try:
            return _advertised_context(self._endpoint.get("/models"), self._model) or DEFAULT_CONTEXT
        except RemoteError as error:
            _log.info("No context length is known for %s: %s", self._model, error)
            return DEFAULT_CONTEXT

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

        With `schema` the text satisfies it, unless `finish_reason` is `length`: then it is cut short.

        Raises:
            ContextOverflow: the endpoint says so, with its numbers.
            RemoteError: the endpoint failed for good, or did not answer in the form of `schema`.
        """
        body = self._body(messages, max_tokens, temperature, seed, stop, adapter)
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        return self._complete(body) if schema is None else self._complete_in_form(body, schema)

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
        """Yield the text as it arrives; closing the iterator closes the connection, which stops the model."""
        body = self._body(messages, max_tokens, temperature, seed, stop, adapter)
        return self._pieces(body | {"stream": True})

    def count_tokens(self, text: str) -> int:
        """Return an estimate that rather counts too many; see `approximate_token_spans`."""
        return len(approximate_token_spans(text))

    def _body(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float,
        seed: int,
        stop: Sequence[str],
        adapter: str | None,
    ) -> dict[str, Any]:
        if adapter is not None and adapter not in self._adapters:
            raise UnknownName("adapter of this model", adapter, self._adapters)
        body: dict[str, Any] = {
            "model": self._model if adapter is None else self._adapters[adapter],
            "messages": [{"role": turn.role, "content": turn.content} for turn in messages],
            self._limit_name: max_tokens,
            "temperature": temperature,
        }
        if temperature > 0:  # some endpoints refuse a seed, and the likeliest token needs none
            body["seed"] = seed
        if words := [word for word in stop if word]:
            body["stop"] = words
        return body

    def _complete(self, body: dict[str, Any]) -> Completion:
        answer = self._post(body)
        try:
            choice = answer["choices"][0]
            usage = answer.get("usage") or {}
            return Completion(
                text=choice["message"]["content"] or "",
                usage=Usage(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)),
                finish_reason=choice.get("finish_reason") or "stop",
                logprobs=_logprobs(choice) if "logprobs" in body else (),
                model=self.name,
            )
        except (KeyError, IndexError, TypeError, AttributeError):
            raise wrong_shape(self._endpoint, "a chat completion", answer) from None

    def _complete_in_form(self, body: dict[str, Any], schema: Mapping[str, object]) -> Completion:
        if self._takes_schemas:
            form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}
            try:
                done = self._complete(body | {"response_format": form})
            except RemoteError as error:
                if error.status not in (400, 404, 415, 422, 501):
                    raise
                _log.info("%s It is asked in words instead.", error.problem)
            else:
                if done.finish_reason == "length" or not problem_of_text(done.text, schema):
                    return done
        done = self._complete_as_asked(body, schema)
        self._takes_schemas = False  # what it refused or ignored, and can do in words
        return done

    def _complete_as_asked(self, body: dict[str, Any], schema: Mapping[str, object]) -> Completion:
        form = json.dumps(schema, ensure_ascii=False)
        order = {"role": "system", "content": f"Answer with one JSON value and nothing else. Its JSON schema: {form}"}
        messages = [order, *body["messages"]]
        wrong: str | None = ""
        for _ in range(2):
            done = self._complete(body | {"messages": messages})
            text = _json_part(done.text)
            wrong = problem_of_text(text, schema)
            if wrong is None or done.finish_reason == "length":
                return Completion(text, done.usage, done.finish_reason, done.logprobs, done.model)
            complaint = f"That does not satisfy the schema ({wrong}). Answer again, with the JSON value alone."
            messages = [
                *messages,
                {"role": "assistant", "content": done.text},
                {"role": "user", "content": complaint},
            ]
        raise self._endpoint.error(
            f"did not answer in the form that was asked for: {wrong}.",
            "Use a model that follows instructions better, or an endpoint with structured output.",
        )

    def _pieces(self, body: dict[str, Any]) -> Iterator[str]:
        finished = False
        try:
            for event in self._endpoint.stream("/chat/completions", body):
                choices = event.get("choices") if isinstance(event, dict) else None
                if not choices:
                    continue
                part = choices[0].get("delta") or choices[0].get("message") or {}
                finished = finished or bool(choices[0].get("finish_reason"))
                if piece := part.get("content"):
                    yield piece
        except RemoteError as error:
            body = self._second_try(error, body)
            yield from self._pieces(body)
            return
        if not finished:
            raise self._endpoint.error("ended its answer in the middle.", "Try again.")

    def _post(self, body: dict[str, Any]) -> Any:
        try:
            return self._endpoint.post("/chat/completions", body)
        except RemoteError as error:
            return self._endpoint.post("/chat/completions", self._second_try(error, body))

    def _second_try(self, error: RemoteError, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request as this endpoint wants it, or raise what `error` means."""
        if error.status == 400 and "max_completion_tokens" in error.problem and "max_tokens" in body:
            self._limit_name = "max_completion_tokens"
            return {("max_completion_tokens" if key == "max_tokens" else key): body[key] for key in body}
        raise _overflow(error, body[self._limit_name]) or error


def _advertised_context(answer: Any, model: str) -> int | None:
    """Find a model's context length in an endpoint's list of models, whatever it calls it."""
    rows = answer.get("data") if isinstance(answer, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or row.get("id") != model:
            continue
        meta = row.get("meta")  # llama.cpp's server
        found = [row.get(name) for name in _LIMITS]
        found += [meta.get("n_ctx"), meta.get("n_ctx_train")] if isinstance(meta, dict) else []
        return next((value for value in found if isinstance(value, int) and value > 0), None)
    return None


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    tokens = []
    for token in (choice.get("logprobs") or {}).get("content") or ():
        top: dict[str, float] = {}
        for other in token.get("top_logprobs") or ():
            top.setdefault(other["token"], other["logprob"])
        tokens.append(TokenLogprob(token["token"], token["logprob"], top))
    return tuple(tokens)


def _json_part(text: str) -> str:
    """Take a JSON value out of the fence or the sentence that a model put around it."""
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    inner = (fenced[1] if fenced else text).strip()
    starts = [place for place in (inner.find("{"), inner.find("[")) if place >= 0]
    if starts:
        try:
            _, end = json.JSONDecoder().raw_decode(inner, min(starts))
        except ValueError:
            return inner
        return inner[min(starts) : end]
    return inner


def _overflow(error: RemoteError, max_tokens: int) -> ContextOverflow | None:
    """Read the numbers out of the ways in which endpoints say that a prompt is too long."""
    limit = re.search(r"maximum context length (?:is|of) (\d+)|context size \((\d+) tokens\)", error.problem)
    tokens = re.search(
        r"requested (\d+)|resulted in (\d+) tokens|has (\d+) input tokens|request \((\d+) tokens", error.problem
    )
    if error.status not in (400, 413, 422) or not limit or not tokens:
        return None
    asked, room = _number(tokens), _number(limit)
    if asked <= room:  # these are the prompt's tokens alone
        room -= max_tokens
    return ContextOverflow(asked, room) if asked > room else None


def _number(match: re.Match[str]) -> int:
    return int(next(group for group in match.groups() if group))

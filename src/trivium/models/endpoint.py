"""One OpenAI-compatible endpoint over HTTP: keys, time limits, retries, and errors that say what to do."""

from __future__ import annotations

import email.utils
import json
import logging
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from trivium.errors import RemoteError, UsageError

DEFAULT_KEY_VARIABLE = "TRIVIUM_API_KEY"

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_FIRST_WAIT, _LONGEST_BACKOFF = 0.5, 30.0
_SHOWN = 400  # characters of a server's words in an error

_log = logging.getLogger("trivium.models")


class Endpoint:
    """Posts JSON to the routes below `url`. Threads may share it.

    A request that fails for a passing reason (no connection, timeout, status 408, 425, 429, 5xx) is tried again
    after a wait that doubles and is blurred at random, or after what the server's Retry-After asks (in seconds or
    as a date). While one request is told to wait, the others to this endpoint wait with it.

    Args:
        url: the base, such as `http://localhost:8000/v1`.
        key_variable: the environment variable that holds the API key. The key is sent as a bearer token and
            appears in no log, error, name or cache key.
        timeout: seconds without a byte from the server after which a request has failed.
        attempts: how often a request is tried in all.
        parallel: requests in flight at once; more wait.
        longest_wait: a Retry-After above this many seconds is an error at once.
    """

    def __init__(
        self,
        url: str,
        *,
        key_variable: str = DEFAULT_KEY_VARIABLE,
        timeout: float = 120.0,
        attempts: int = 4,
        parallel: int = 4,
        longest_wait: float = 120.0,
    ) -> None:
        try:
            parsed = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise UsageError(f"{url!r} is no address: {error}.", "Write it as http://HOST:PORT/v1.") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UsageError(f"{url!r} is no address.", "Write it as http://HOST:PORT/v1.")
        # a user, password or query in the address is sent, never shown
        self.url = str(parsed.copy_with(userinfo=b"", query=None))
        self.key_variable = key_variable
        self.parallel = parallel
        self._key = _key(key_variable)
        self._attempts, self._longest_wait, self._timeout = attempts, longest_wait, timeout
        self._slots = threading.BoundedSemaphore(parallel)
        self._resume_at = 0.0
        self._client = httpx.Client(
            base_url=parsed.copy_with(query=None),
            params=parsed.params,
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self._key}"} if self._key else {}),
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            limits=httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel),
        )

    def post(self, route: str, body: Mapping[str, Any]) -> Any:
        """Post `body` to `route` and return the decoded JSON answer.

        Raises:
            RemoteError: the endpoint failed for good; `status` is its last HTTP status, or None.
        """
        with self._response("POST", route, body) as response:
            return self._decoded(response)

    def get(self, route: str) -> Any:
        """Get `route` and return the decoded JSON answer. Raises as `post` does."""
        with self._response("GET", route, None) as response:
            return self._decoded(response)

    def stream(self, route: str, body: Mapping[str, Any]) -> Iterator[Any]:
        """Post `body` and yield each server-sent event's JSON until `[DONE]` or the end.

        Only the beginning is retried: once an event has come, a broken connection is an error.
        """
        with self._response("POST", route, body) as response:
            if "json" in response.headers.get("content-type", ""):  # asked to stream, it answered whole
                yield self._decoded(response)
                return
            try:
                for line in response.iter_lines():
                    if not line.startswith("data:"):
                        continue
                    data = line[5:].strip()
                    if data == "[DONE]":
                        return
                    yield self._event(data)
            except httpx.TransportError as error:
                raise self._broken_off(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def error(self, problem: str, cure: str = "", status: int | None = None) -> RemoteError:
        """Return an error that names this endpoint and cannot hold the key."""
        text = f"{self.url} {problem}"
        return RemoteError(text.replace(self._key, "***") if self._key else text, cure, status)

    @contextmanager
    def _response(self, method: str, route: str, body: Mapping[str, Any] | None) -> Iterator[httpx.Response]:
        """Yield an open response of status 200, read whole unless it is a stream."""
        # a lone surrogate (from an undecodable byte) is no text that JSON could carry
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        for attempt in range(self._attempts):
            last = attempt == self._attempts - 1
            self._pause()
            with self._slots:
                request = self._client.build_request(method, route, content=content)
                try:
                    response = self._client.send(request, stream=True)
                    if "event-stream" not in response.headers.get("content-type", "") or response.status_code != 200:
                        response.read()
                except httpx.TransportError as error:
                    failure = self._unreachable(error)
                    wait = None
                else:
                    if response.status_code == 200:
                        try:
                            yield response
                        finally:
                            response.close()
                        return
                    response.close()
                    failure = self._refusal(response, route)
                    if response.status_code not in _RETRIED or _quota_is_spent(response):
                        raise failure
                    wait = self._retry_after(response, failure)
            if last:
                raise failure
            self._back_off(attempt, wait, failure)

    def _pause(self) -> None:
        while (wait := self._resume_at - time.monotonic()) > 0:
            time.sleep(min(wait, 1.0))  # in short naps, so that an interrupt is heard

    def _back_off(self, attempt: int, wait: float | None, failure: RemoteError) -> None:
        if wait is None:
            wait = min(_FIRST_WAIT * 2**attempt, _LONGEST_BACKOFF) * random.uniform(0.5, 1.0)
            _log.info("%s Trying again in %.1f s.", failure.problem, wait)
            time.sleep(wait)
            return
        _log.info("%s It asks to wait %.1f s.", failure.problem, wait)
        self._resume_at = max(self._resume_at, time.monotonic() + wait)

    def _retry_after(self, response: httpx.Response, failure: RemoteError) -> float | None:
        """Return the seconds that the server asks to wait, or None where it does not say."""
        wait = _seconds(response.headers.get("retry-after", ""))
        if wait is not None and wait > self._longest_wait:
            raise self.error(
                f"asks to wait {wait:.0f} s before the next request.",
                "Try again then, or lower the number of requests.",
                failure.status,
            )
        return wait

    def _decoded(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            shown = response.text[:_SHOWN].strip()
            raise self.error(
                f"answered with something that is not JSON: {shown!r}.",
                "Check that the address is the API's base and ends in /v1.",
                response.status_code,
            ) from None

    def _event(self, data: str) -> Any:
        try:
            event = json.loads(data)
        except ValueError:
            raise self.error(f"streamed something that is not JSON: {data[:_SHOWN]!r}.") from None
        if isinstance(event, dict) and event.get("error"):
            raise self.error(f"broke off: {_message(event)}.")
        return event

    def _broken_off(self, error: httpx.TransportError) -> RemoteError:
        if isinstance(error, httpx.TimeoutException):
            return self.error(f"sent nothing for {self._timeout:g} s in the middle of an answer.", "Try again.")
        return self.error("broke off in the middle of an answer.", "Try again.")

    def _unreachable(self, error: httpx.TransportError) -> RemoteError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return self.error(
                f"cannot be reached ({error}).", "Check that the server runs and that the address is right."
            )
        if isinstance(error, httpx.TimeoutException):
            return self.error(f"did not answer within {self._timeout:g} s.", "Try again, or ask for a shorter answer.")
        return self.error(f"broke the connection ({error}).", "Try again; see the server's own log.")

    def _refusal(self, response: httpx.Response, route: str) -> RemoteError:
        status = response.status_code
        try:
            said = _message(response.json())
        except ValueError:
            said = response.text.strip()
        words = f"{said[:_SHOWN]!r}" if said else "without a word"
        cures = {
            401: f"Set the environment variable {self.key_variable} to a valid API key.",
            403: f"The API key in {self.key_variable} may not use this; ask for the right, or use another key.",
            404: "Check the model's name and that the address is the API's base (it mostly ends in /v1).",
            413: "Send less at once.",
            429: "Wait, or lower the number of requests at once.",
        }
        cure = cures.get(status, "Try again later; see the server's own log." if status >= 500 else "")
        if status == 401 and not self._key:
            words += " (no key was sent)"
        return self.error(f"answered {route} with status {status}: {words}.", cure, status)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"The API key in {variable} holds characters that no key has.", "Set the variable again, without quotes."
        )
    return key


def _message(answer: Any) -> str:
    """Return the server's words from the shapes of error that endpoints use."""
    for key in ("error", "message", "detail"):
        if isinstance(answer, dict) and answer.get(key):
            answer = answer[key]
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _quota_is_spent(response: httpx.Response) -> bool:
    """Whether a 429 means an empty account, which no waiting fills."""
    return response.status_code == 429 and "insufficient_quota" in response.text


def _seconds(header: str) -> float | None:
    """Read a Retry-After: a number of seconds, or an HTTP date."""
    try:
        wait = float(header)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(wait, 0.0) if wait == wait else None

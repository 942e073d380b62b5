"""llama.cpp in this process: load a GGUF file, run chat requests, count tokens. `llama.py` makes a `Chat` of it.

`xllamacpp.Server` is llama.cpp's own server without the executable. It answers chat requests by a direct call,
but tokenising only over HTTP, and it listens always: here on a Unix socket in a private folder, with a random
key, no cross-origin access and no web pages (on a loopback port where there are no such sockets).
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import logging
import os
import queue
import secrets
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trivium.errors import ContextOverflow, ModelError

Event = dict[str, Any]
"""One object of llama.cpp's OpenAI-shaped stream."""

BATCH = 512
"""Prompt tokens per step: a cancelled request ends at the next step, and more gave no speed."""

PREFIX_CACHE_MIB = 256
"""Memory for the prompt states of earlier conversations; llama.cpp's own default is 8 GiB."""

STATES_KEPT = 8
"""Files of read prompts in their folder: a new one takes the place of the oldest."""

_SPIN = "1000"
_SOCKET_PATH_LIMIT = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
_TIMEOUT = 60.0

_log = logging.getLogger("trivium.models")
# llama.cpp's start and stop touch state of the whole process
_process_lock = threading.Lock()


def _import_xllamacpp() -> Any:
    """Import xllamacpp with an OpenMP that does not spin long at its barriers.

    GNU OpenMP reads the variable when it is loaded. With its default the threads burn their whole time slice
    waiting for each other as soon as another program wants a core: 2 tokens/s instead of 20, measured.
    """
    given = os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY")
    if given == (None, None):
        os.environ["GOMP_SPINCOUNT"] = _SPIN
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(
            f"llama.cpp could not be loaded: {error}.",
            "Install it with: pip install xllamacpp (and libgomp, Debian's package libgomp1, where that is missing).",
        ) from error
    finally:
        if given == (None, None):
            del os.environ["GOMP_SPINCOUNT"]
    return xllamacpp


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """A loaded model. Threads may share it; `parallel` of their requests run at once, others wait their turn.

    Args:
        path: the GGUF file.
        context: prompt plus completion of one request, in tokens.
        threads: CPU threads; None takes the cores that this process may use.
        parallel: requests worked on at once, each with a context (and its memory) of its own.
        adapters: LoRA adapters as GGUF files; a request chooses one by its place in this sequence.
        prefix_cache: reuse the states of a prompt's beginning that an earlier request shared.
        states: the folder for `save_state` and `load_state`; it need not exist.
    """

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        threads: int | None = None,
        parallel: int = 1,
        adapters: Sequence[Path] = (),
        prefix_cache: bool = True,
        states: Path | None = None,
    ) -> None:
        xllamacpp = _import_xllamacpp()
        self._states = states
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = context * parallel
        params.n_parallel = parallel
        params.n_batch = params.n_ubatch = BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or available_cores()
        params.verbosity = -1  # llama.cpp would log to the standard streams
        params.fit_params = False  # sizes come from the caller; the dry run for them costs 0.1 s
        params.warmup = False  # the first request warms up as well
        params.cache_prompt = prefix_cache
        params.cache_ram_mib = PREFIX_CACHE_MIB if prefix_cache else 0
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 0.0) for adapter in adapters]
        params.ui = params.endpoint_slots = False
        params.endpoint_metrics = True  # asked by _close
        params.cors_origins = ""
        params.n_threads_http = 2
        params.slot_save_path = f"{states}{os.sep}" if states else ""
        self._key = secrets.token_hex(32)
        params.api_keys = [self._key]
        folder = _private_folder()
        if folder:
            params.hostnames = [str(folder / "llama.sock")]
        try:
            with _process_lock:
                server = xllamacpp.Server(params)
        except RuntimeError as error:
            _remove(folder)
            raise ModelError(
                f"llama.cpp could not load {path}{' with its adapters' if adapters else ''}.",
                "Check that it is a chat model (and adapters of that very model) in GGUF, and that memory suffices.",
            ) from error
        self._adapters = len(adapters)
        self._pid = os.getpid()
        self._address = str(server.listening_address)
        # the server's threads must end before the interpreter does, hence a finalizer and not __del__
        self._held: list[Any] = [server]
        self._finalizer = weakref.finalize(self, _close, self._held, folder, self._pid)

    def close(self) -> None:
        """Free the model. Requests that are still running are finished first."""
        self._finalizer()

    def events(self, body: Mapping[str, Any], *, adapter: int | None = None) -> Iterator[Event]:
        """Run a streamed chat request and yield its events; closing the iterator stops the model.

        Raises:
            ContextOverflow, ModelError: as llama.cpp reports them.
        """
        server = self._server()
        scales = [{"id": number, "scale": float(number == adapter)} for number in range(self._adapters)]
        progress = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        request = _encode({**body, **progress, "lora": scales})
        inbox: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        closed = threading.Event()

        def receive(event: bytes) -> bool:
            inbox.put(event)
            return closed.is_set()  # true stops the model

        def work() -> None:
            try:
                server.handle_chat_completions(request, receive)
            except BaseException as error:  # handed to the reader below
                inbox.put(error)
            finally:
                inbox.put(None)

        # A thread of its own, because an interrupt (Ctrl-C) reaches no thread that is inside llama.cpp.
        worker = threading.Thread(target=work, name="trivium-llama")
        worker.start()
        try:
            while (item := inbox.get()) is not None:
                if isinstance(item, BaseException):
                    raise ModelError(f"llama.cpp refused the request: {item}.") from item
                event = json.loads(item)
                if "error" in event:
                    raise _error(event["error"])
                yield event
        finally:
            closed.set()

    def ask(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post `body` to one of the server's helper routes, such as `/tokenize`."""
        self._server()
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", route, _encode(body), headers)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ModelError(f"llama.cpp did not answer {route}: {error}.") from error
        finally:
            connection.close()
        if "error" in answer:
            raise _error(answer["error"])
        return answer

    def load_state(self, name: str) -> bool:
        """Load what `save_state` kept under this name; return whether there is such a state of this model."""
        if self._states is None:
            return False
        for path in self._states.glob(f"{name}.*.state"):
            try:
                if path.name != f"{name}.{_digest(path)}.state":  # llama.cpp ends the process over a torn file
                    path.unlink()
                    continue
                self.ask("/slots/0?action=restore", {"filename": path.name})
            except (OSError, ModelError) as error:
                _log.debug("%s is read anew: %s", path, error)
            else:
                return True
        return False

    def save_state(self, name: str) -> None:
        """Keep the state of the prompt that was read last, under its checksum; a full disk keeps nothing."""
        if self._states is None:
            return
        part = self._states / f"{name}.{os.getpid()}.part"
        try:
            self._states.mkdir(parents=True, exist_ok=True)
            self.ask("/slots/0?action=save", {"filename": part.name})
            part.replace(self._states / f"{name}.{_digest(part)}.state")
            newest = sorted(self._states.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in newest[STATES_KEPT:]:
                path.unlink(missing_ok=True)
        except (OSError, ModelError) as error:
            _log.debug("the state of a prompt is not kept: %s", error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _connection(self) -> http.client.HTTPConnection:
        if self._address.startswith("unix://"):
            return _Connection(self._address.removeprefix("unix://"))
        place = urlsplit(self._address)
        return http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=_TIMEOUT)

    def _server(self) -> Any:
        if not self._held:
            raise ModelError("This model was closed.", "Open it again.")
        if os.getpid() != self._pid:
            raise ModelError(
                "This model was loaded before the process was forked, and its threads stayed behind.",
                "Open the model in the process that uses it.",
            )
        return self._held[0]


def available_cores() -> int:
    """Return how many CPU cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _encode(body: Mapping[str, Any]) -> bytes:
    # ASCII with escapes; a lone surrogate (from an undecodable byte) is no text that JSON could carry
    text = json.dumps(body, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _error(error: Mapping[str, Any]) -> ModelError:
    if error.get("type") == "exceed_context_size_error":
        return ContextOverflow(int(error["n_prompt_tokens"]), int(error["n_ctx"]))
    return ModelError(f"llama.cpp refused the request: {error.get('message', error)}.")


def _private_folder() -> Path | None:
    if not hasattr(socket, "AF_UNIX"):
        return None
    try:
        folder = Path(tempfile.mkdtemp(prefix="trivium-"))  # mode 0700
    except OSError as error:
        _log.debug("no private folder for a socket (%s): llama.cpp listens on a loopback port", error)
        return None
    if len(os.fsencode(folder)) + 16 > _SOCKET_PATH_LIMIT:
        folder.rmdir()
        return None
    return folder


def _remove(folder: Path | None) -> None:
    if folder:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


_left_in_child: list[Any] = []


def _close(held: list[Any], folder: Path | None, pid: int) -> None:
    if os.getpid() != pid:
        _left_in_child.extend(held)  # a forked child has no such threads, and would wait for them for ever
        return
    with _process_lock:
        for server in held:
            server.handle_metrics()  # waits until its loop runs: told to end before that, it would run for ever
        held.clear()  # the last reference: llama.cpp's threads end here
    _remove(folder)

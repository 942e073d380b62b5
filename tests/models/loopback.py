"""A loopback HTTP server whose answers a test scripts one by one: the endpoint that can be made to fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """One answer. `cut` sends only so many bytes of the body, then drops the connection."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None


@dataclass
class Request:
    """What a client sent, and when."""

    path: str
    headers: dict[str, str]
    body: object
    time: float


def sse(*events: object, done: bool = True) -> Reply:
    """A stream of server-sent events."""
    lines = [": a comment\n\n"] + [f"data: {json.dumps(event)}\n\n" for event in events]
    text = "".join(lines) + ("data: [DONE]\n\n" if done else "")
    return Reply(text.encode(), headers={"Content-Type": "text/event-stream"})


class Loopback:
    """Serves the scripted replies in order, then `otherwise(request)`; keeps the requests."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.otherwise: Callable[[Request], Reply] = lambda request: Reply({"error": "no reply is scripted"}, 400)
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                loopback._serve(self)

            do_GET = do_POST

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.path, dict(handler.headers), json.loads(raw) if raw else None, time.monotonic())
        with self._lock:
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            reply = self.script.pop(0) if self.script else None
        try:
            self._send(handler, reply or self.otherwise(request))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client went away, as some tests want
        finally:
            with self._lock:
                self._now -= 1

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        time.sleep(reply.delay)
        handler.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body if reply.cut is None else body[: reply.cut])
        handler.wfile.flush()
        if reply.cut is not None:
            handler.close_connection = True

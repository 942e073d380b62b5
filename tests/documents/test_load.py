"""The loader: files in worker processes, each failure by name with one reason, the rest goes on."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trivium.documents import Limits, Loaded, Loader, discover, file_fingerprint, load, pool
from trivium.errors import DocumentError

MakeZip = Callable[[dict[str, bytes | str]], bytes]


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader(workers=1) as loader:
        yield loader


def reason(loader: Loader, path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        loader.load(path, source="here")
    assert caught.value.source == "here"
    assert str(caught.value) == f"here: {caught.value.reason}"
    return caught.value.reason


def test_document_and_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "说明 书.md"
    path.write_text("# Title\n\nThe warranty lasts two years.")
    document = load(path)
    assert document.source == str(path)
    assert document.text == "# Title\n\nThe warranty lasts two years."
    assert document.title == "Title"
    assert document.media_type == "text/markdown"
    assert document.bytes == path.stat().st_size
    assert document.language == "en"


def test_the_hash_is_of_the_bytes_parsed(tmp_path: Path, loader: Loader) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    loaded = loader.load(path, source="given")
    assert loaded.document.source == "given"
    assert loaded.sha256 == hashlib.sha256(b"one").hexdigest() == file_fingerprint(path).sha256
    assert (loaded.size, loaded.mtime_ns) == (3, path.stat().st_mtime_ns)


def test_map_gives_every_file_and_goes_on_after_failures(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"n{number:02}.txt").write_text(f"note {number}" if number % 5 else "")
    with Loader(workers=2) as loader:
        results = dict(loader.map((path, f"kb/{path.name}") for path in discover([tmp_path]) if isinstance(path, Path)))
    assert len(results) == 40
    for path, result in results.items():
        if int(path.stem[1:]) % 5:
            assert isinstance(result, Loaded)
            assert result.document.source == f"kb/{path.name}"
        else:
            assert isinstance(result, DocumentError)
            assert (result.source, result.reason) == (f"kb/{path.name}", "it is empty (0 bytes)")


def test_map_reads_only_a_little_ahead(tmp_path: Path, loader: Loader) -> None:
    (tmp_path / "a.txt").write_text("x")
    taken = 0

    def files() -> Iterator[Path]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield tmp_path / "a.txt"

    results = loader.map(files())
    next(results)
    assert taken <= (2 * loader.workers + 1) * 64
    results.close()  # type: ignore[attr-defined]


def test_names_with_invalid_bytes_and_line_breaks(tmp_path: Path, loader: Loader) -> None:
    for name in (b"bad\xffname.txt", b"line\nbreak.txt", b'"quote\\".txt'):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_text("text")
        document = loader.load(path).document
        assert document.text == "text"
        document.source.encode("utf-8")


def test_a_surrogate_or_a_nul_in_the_content_comes_through(tmp_path: Path, loader: Loader) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\\ud83d", "b": "\\u0000 \\u2028 ok"}')
    text = loader.load(path).document.text
    text.encode("utf-8")
    assert "ok" in text


def test_the_worker_is_kept_between_files(tmp_path: Path, loader: Loader) -> None:
    (tmp_path / "a.txt").write_text("x")
    loader.load(tmp_path / "a.txt")
    process = loader._idle[0]._process
    loader.load(tmp_path / "a.txt")
    reason(loader, tmp_path / "gone.txt")
    assert loader._idle[0]._process is process


def test_a_file_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_GRACE", 0.4)
    (tmp_path / "slow.csv").write_bytes(b"a,b\n" * 3_000_000)
    (tmp_path / "a.txt").write_text("x")
    with Loader(limits=Limits(seconds=0.1), workers=1) as loader:
        assert "took longer than 0 s" in reason(loader, tmp_path / "slow.csv")
        monkeypatch.setattr(pool, "_GRACE", 20.0)
        assert loader.load(tmp_path / "a.txt").document.text == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_file_that_takes_too_much_memory(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b"[" + b"[1],\n" * 2_000_000 + b"[1]]")
    (tmp_path / "a.txt").write_text("x")
    with Loader(limits=Limits(memory_bytes=48 << 20), workers=1) as loader:
        assert (
            reason(loader, tmp_path / "large.json") == "it needs more than 48 MB of memory to be parsed (memory_bytes)"
        )
        assert loader.load(tmp_path / "a.txt").document.text == "x"


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_worker_that_dies_is_replaced_and_its_file_reported(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "slow.csv").write_bytes(b"a,b\n" * 2_000_000)
    (tmp_path / "a.txt").write_text("x")
    with Loader(workers=1) as loader:
        loader.load(tmp_path / "a.txt")
        process = loader._idle[0]._process
        assert process is not None
        threading.Timer(0.3, process.send_signal, [how]).start()
        found = reason(loader, tmp_path / "slow.csv")
        assert ("memory" if how == signal.SIGKILL else how.name) in found
        assert loader.load(tmp_path / "a.txt").document.text == "x"


def test_a_death_among_small_files_costs_only_the_guilty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files share a request: those answered before the death stay, those after it go to another worker."""
    for number in range(150):
        (tmp_path / f"{number:03d}.txt").write_text(f"text {number}")
    dying = """
import os, sys
sys.path.append(sys.argv[1])
from trivium.documents import worker
parse = worker.parse
worker.parse = lambda data, name, **rest: os.abort() if name in ("050.txt", "051.txt") else parse(data, name, **rest)
worker.main()
"""
    monkeypatch.setattr(pool, "_COMMAND", dying)
    with Loader(workers=2) as loader:
        results = {path.stem: result for path, result in loader.map(sorted(tmp_path.iterdir()))}
    failed = {name: result.reason for name, result in results.items() if isinstance(result, DocumentError)}
    assert failed == dict.fromkeys(("050", "051"), "its parser crashed (SIGABRT)")
    texts = {name: result.document.text for name, result in results.items() if isinstance(result, Loaded)}
    assert texts == {f"{n:03d}": f"text {n}" for n in range(150) if n not in (50, 51)}


def test_close_ends_the_workers_also_those_at_work(tmp_path: Path) -> None:
    (tmp_path / "slow.csv").write_bytes(b"a,b\n" * 3_000_000)
    loader = Loader(workers=1)
    failures: list[str] = []

    def run() -> None:
        try:
            loader.load(tmp_path / "slow.csv")
        except DocumentError as error:
            failures.append(error.reason)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.4)
    loader.close()
    loader.close()
    thread.join(10)
    assert not thread.is_alive()
    assert failures
    with pytest.raises(DocumentError, match="closed"):
        loader.load(tmp_path / "slow.csv")


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    """Workers do not run the user's script again, and do not import from the folder of documents."""
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the folder of documents')")
    (tmp_path / "a.txt").write_text("x")
    script = "from trivium.documents import load; print(load('a.txt').text)"
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-P", "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("x\n", 0), done.stderr


def test_ctrl_c_is_the_programs_to_handle(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with Loader(workers=1) as loader:
        loader.load(tmp_path / "a.txt")
        process = loader._idle[0]._process
        assert process is not None
        process.send_signal(signal.SIGINT)
        assert loader.load(tmp_path / "a.txt").document.text == "x"
        assert loader._idle[0]._process is process


def test_several_threads_share_a_loader(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(f"note {number}")
    texts: list[str] = []
    with Loader(workers=2) as loader:

        def run(numbers: range) -> None:
            texts.extend(loader.load(tmp_path / f"{number}.txt").document.text for number in numbers)

        threads = [threading.Thread(target=run, args=(range(at, 20, 4),)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(texts) == sorted(f"note {number}" for number in range(20))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("empty.txt", b"", "empty (0 bytes)"),
        ("white.txt", b" \n\t \n", "empty: only white space"),
        ("wide.txt", b"\xe3\x80\x80\n", "empty: there is no text"),
        ("bare.html", b"<html><head><title></title></head><body><br></body></html>", "empty: there is no text"),
        ("random.txt", bytes(range(256)) * 30, "binary"),
        ("fake.pdf", bytes(range(255, 0, -1)) * 30, "there is no PDF in it"),
        ("broken.pdf", b"%PDF-1.4\nnothing", "damaged"),
        ("broken.docx", b"PK\x03\x04" + bytes(100), "damaged"),
        ("music.mp3", b"ID3\x04" + bytes(100), "a sound file"),
    ],
)
def test_one_clear_reason(name: str, data: bytes, expected: str, tmp_path: Path, loader: Loader) -> None:
    (tmp_path / name).write_bytes(data)
    found = reason(loader, tmp_path / name)
    assert expected in found
    assert "\n" not in found


def test_limits_on_size_and_on_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 2000)
    with Loader(limits=Limits(max_bytes=1000), workers=1) as small:
        assert "too large" in reason(small, tmp_path / "a.txt")
    with Loader(limits=Limits(max_text_chars=1000), workers=1) as small:
        assert "2,000 characters, and the limit is 1,000" in reason(small, tmp_path / "a.txt")


def test_a_zip_bomb_and_an_encrypted_office_file(tmp_path: Path, loader: Loader, make_zip: MakeZip) -> None:
    bomb = make_zip({"[Content_Types].xml": "<T/>", "word/document.xml": bytes(50_000_000)})
    (tmp_path / "bomb.docx").write_bytes(bomb)
    assert "ZIP bomb" in reason(loader, tmp_path / "bomb.docx")
    sealed = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage\0".encode("utf-16-le")
    (tmp_path / "sealed.docx").write_bytes(sealed)
    assert "encrypted" in reason(loader, tmp_path / "sealed.docx")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("deep.json", b"[" * 100_000),
        ("deep.html", b"<div>" * 20_000 + b"text"),
        ("spans.html", b"<table><tr>" + b"<td rowspan=65000 colspan=65000>x" * 50 + b"</table>"),
        ("unclosed.html", b"<a b=c " * 20_000),
        ("comments.html", b"<!--" * 50_000 + b"text"),
        (
            "laughs.xml",
            b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
            + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(9))
            + b"]><l>&a8;</l>",
        ),
        ("outside.xml", b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'),
        ("quote.csv", b'a,b\n"' + b"x" * 5_000_000),
        ("line.txt", b"a" * 5_000_000),
        ("spaces.txt", b"a" + b" " * 2_000_000 + b"b"),
        ("tags.md", b"<h1 " * 50_000),
        ("images.md", b"[![" * 50_000),
        ("braces.rtf", b"{\\rtf1" + b"{" * 50_000 + b"text"),
    ],
)
def test_hostile_text_ends_soon(name: str, data: bytes, tmp_path: Path, loader: Loader) -> None:
    (tmp_path / name).write_bytes(data)
    began = time.monotonic()
    try:
        text = loader.load(tmp_path / name).document.text
    except DocumentError as error:
        text = error.reason
    assert "root:" not in text
    assert len(text) < 6_000_000
    assert time.monotonic() - began < 20


@pytest.mark.attack
def test_damaged_copies_of_real_files(shared_data: Path, tmp_path: Path) -> None:
    """Half of a file, and a file with 1 byte in 500 changed: text or one reason, and the loader lives."""
    import random

    chance = random.Random(7)
    files = []
    for path in sorted((shared_data / "docs").iterdir()):
        data = path.read_bytes()
        for number in range(4):
            broken = bytearray(data)
            for _ in range(len(data) // 500):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            files.append(tmp_path / f"noise{number}_{path.name}")
            files[-1].write_bytes(bytes(broken))
        files.append(tmp_path / f"half_{path.name}")
        files[-1].write_bytes(data[: len(data) // 2])
    with Loader(limits=Limits(seconds=60), ocr="never") as loader:
        results = dict(loader.map(files))
    assert len(results) == len(files)
    for result in results.values():
        assert isinstance(result, Loaded) or ("\n" not in result.reason and "parser failed" not in result.reason)


@pytest.mark.attack
def test_ten_thousand_tiny_files(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05}.txt").write_text(f"Note {number}: the warranty lasts {number % 9} years.\n")
    began = time.monotonic()
    with Loader() as loader:
        good = sum(isinstance(result, Loaded) for _, result in loader.map(discover([tmp_path])))  # type: ignore[arg-type]
    assert good == 10_000
    assert time.monotonic() - began < 100


@pytest.mark.attack
def test_one_text_of_200_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    line = "The quick brown fox number {} jumps over the lazy dog and the warranty of the device.\n"
    with path.open("w") as file:
        number = 0
        while file.tell() < 200_000_000:
            file.write("".join(line.format(number + at) for at in range(10_000)))
            number += 10_000
    with Loader(workers=1) as loader:
        loaded = loader.load(path)
    assert len(loaded.document.text) > 199_000_000
    assert loaded.size == path.stat().st_size

"""Finding files: each once, in order, and nothing passed over in silence that was asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trivium.documents import Skipped, discover
from trivium.errors import DocumentError


def names(folder: Path, **options: object) -> list[str]:
    return [
        f"!{Path(found.source).name}" if isinstance(found, DocumentError) else found.relative_to(folder).as_posix()
        for found in discover([folder], **options)  # type: ignore[arg-type]
    ]


def fill(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")


def test_sorted_and_hidden_and_unsupported(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "b.txt",
        "a.md",
        "sub/z.pdf",
        "sub/a.txt",
        ".hidden.txt",
        ".git/config.txt",
        "x.mp3",
        "y.mp3",
        "README",
    )
    skipped = Skipped()
    assert names(tmp_path, skipped=skipped) == ["README", "a.md", "b.txt", "sub/a.txt", "sub/z.pdf"]
    assert skipped.unsupported == {"mp3": 2}
    assert skipped.hidden == 2


def test_what_is_named_is_never_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "x.mp3", ".hidden.txt", "noextension")
    found = list(
        discover([tmp_path / "x.mp3", tmp_path / ".hidden.txt", tmp_path / "noextension", tmp_path / "gone.txt"])
    )
    assert [found[1], found[2]] == [tmp_path / ".hidden.txt", tmp_path / "noextension"]
    assert isinstance(found[0], DocumentError)
    assert found[0].reason == "files of the kind .mp3 are not read"
    assert isinstance(found[3], DocumentError)
    assert found[3].reason == "it does not exist"


def test_the_knowledge_bases_own_folder_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "kb/data.txt", "deep/kb2/more.txt")
    skipped = Skipped()
    excluded = [tmp_path / "kb", tmp_path / "deep" / ".." / "deep" / "kb2", tmp_path / "not there"]
    assert names(tmp_path, exclude=excluded, skipped=skipped) == ["a.txt"]
    assert skipped.excluded == 2


def test_no_file_twice(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "sub/b.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    found = list(discover([tmp_path, tmp_path / "a.txt", tmp_path / "sub", tmp_path / "sub" / ".." / "a.txt"]))
    assert found == [tmp_path / "a.txt", tmp_path / "sub" / "b.txt"]


def test_loops_are_reported_once_by_name(tmp_path: Path) -> None:
    fill(tmp_path, "a/b/c.txt")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    found = list(discover([tmp_path]))
    errors = {Path(error.source).name: error.reason for error in found if isinstance(error, DocumentError)}
    assert errors == {
        "up": "it is a symbolic link that leads back to a folder above it",
        "self.txt": "it is a symbolic link that leads back to itself",
    }
    assert tmp_path / "a" / "b" / "c.txt" in found


def test_two_links_to_each_others_folders_end(tmp_path: Path) -> None:
    fill(tmp_path, "one/a.txt", "two/b.txt")
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "other").symlink_to(tmp_path / "one")
    found = list(discover([tmp_path]))
    assert sorted(p.name for p in found if isinstance(p, Path)) == ["a.txt", "b.txt"]
    assert any(isinstance(error, DocumentError) for error in found)


def test_pipes_in_a_folder_do_not_block(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert names(tmp_path) == ["a.txt"]
    (error,) = discover([tmp_path / "pipe.txt"])
    assert isinstance(error, DocumentError)
    assert "a pipe" in error.reason


def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a.txt", "closed/b.txt", "open/c.txt")
    real = os.listdir

    def listdir(folder: Path) -> list[str]:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    found = list(discover([tmp_path]))
    assert [p.name for p in found if isinstance(p, Path)] == ["a.txt", "c.txt"]
    (error,) = (p for p in found if isinstance(p, DocumentError))
    assert "permission denied" in error.reason


def test_names_in_chinese_with_spaces_and_with_invalid_bytes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    odd = [b"\xe8\xaf\xb4\xe6\x98\x8e \xe4\xb9\xa6.txt", b"bad\xffname.txt", b"line\nbreak.txt"]
    for name in odd:
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"x")
    found = [path for path in discover([tmp_path]) if isinstance(path, Path)]
    assert sorted(os.fsencode(path.name) for path in found) == sorted(odd)


def test_a_deep_tree(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(150):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("x")
    assert len(names(tmp_path)) == 1

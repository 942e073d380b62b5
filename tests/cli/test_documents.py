from __future__ import annotations

from pathlib import Path

from trivium.index.tally import Failure


def test_add_json(run, kb) -> None:
    done = run("add", "a.md", "docs/", "--access", "user:ada,group:legal", "--meta", "year=2024", "--json")
    assert done.status == 0
    assert done.json == {"added": 2, "updated": 1, "unchanged": 3, "failed": [], "chunks": 17, "seconds": 0.5}
    paths, options = kb.calls[-1][1]
    assert paths == ["a.md", "docs/"]
    assert options == {"access": ("user:ada", "group:legal"), "metadata": {"year": 2024}, "chunker": "sliding"}


def test_add_reports_each_failure_and_status_1(run, kb) -> None:
    kb.failed = (Failure("/x/[b]broken.pdf", "is encrypted"),)
    done = run("add", "x")
    assert done.status == 1
    assert "/x/[b]broken.pdf: is encrypted" in done.err
    assert "Added 2, updated 1, unchanged 3, failed 1" in done.out
    assert run("add", "x", "--json").json["failed"] == [{"source": "/x/[b]broken.pdf", "reason": "is encrypted"}]


def test_add_refuses_wrong_metadata_before_opening(run, kb) -> None:
    assert run("add", "x", "--meta", "nonsense").status == 2
    assert kb.calls == []


def test_list(run, kb) -> None:
    done = run("list", "--json")
    assert [set(d) for d in done.json["documents"]] == [
        {"id", "source", "chunks", "bytes", "access", "metadata", "added_at"}
    ]
    table = run("list").out
    assert "x" * 150 + "/手册.pdf" in table  # nothing is cut where there is no terminal
    assert "1,234" in table
    assert ("fetch", ["embedding"]) not in kb.calls


def test_remove_prints_the_receipt(run, kb) -> None:
    done = run("remove", "a.md", "b.md", "--json")
    receipt = {"chunks": 4, "vectors": 4, "lexical": 4, "cached_answers": 1, "graph": 0}
    assert done.json == {"removed": [{"source": "a.md", **receipt}, {"source": "b.md", **receipt}], "left": 0}
    assert "Removed a.md: 4 chunks" in run("remove", "a.md").out


def test_verify(run, kb) -> None:
    assert run("verify", "--json").json == {"documents": 3, "chunks": 12, "problems": []}
    assert "no problems" in run("verify").out
    kb.problems = ("a.md has 3 chunks of 4.",)
    done = run("verify", "--no-repair")
    assert done.status == 1
    assert "a.md has 3 chunks of 4." in done.out
    assert kb.calls[-1] == ("verify", False)


def test_sync_keeps_vanished_files_unless_told(run, kb, monkeypatch) -> None:
    kb.vanished = ["/gone.md"]
    done = run("sync")
    assert done.status == 0
    assert "Vanished: /gone.md" in done.out
    assert "--yes" in done.err
    assert not [call for call in kb.calls if call[0] == "remove"]
    assert run("sync", "--json").json["vanished"] == ["/gone.md"]
    done = run("sync", "--yes", "--json")
    assert done.json["removed"] == ["/gone.md"]
    assert kb.calls[-1] == ("remove", ["/gone.md"])


def test_sync_asks_where_someone_can_answer(run, kb, monkeypatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    kb.vanished = ["/gone.md"]
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert "kept" in run("sync").err
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert "Removed /gone.md" in run("sync").out


def test_export_and_import(run, kb, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    assert run("export", str(archive), "--json").json == {"path": str(archive), "bytes": 7}
    assert run("import", str(archive), "--kb", "new", "--json").json == {"kb": "new", "documents": 1}

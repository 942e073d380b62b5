"""The store: atomic commits, exact and indexed search, BM25 against an independent one, power cuts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import bm25s
import numpy as np
import pytest

from trivium.index import durable
from trivium.index import store as store_module
from trivium.index.rows import Record, Whole, batches, chunk_id
from trivium.index.store import Store
from trivium.index.where import Among, And, HasAny, every, readable_by
from trivium.text.tokens import analyse
from trivium.types import Chunk, Document

DIMENSION = 16


def whole(name: str, texts: Sequence[str], access: Sequence[str] = ("*",), seed: int = 0) -> Whole:
    body = "\n\n".join(texts)
    chunks, at = [], 0
    for n, text in enumerate(texts):
        start = body.index(text, at)
        at = start + len(text)
        chunks.append(Chunk(chunk_id(name, n), name, name, text, start, at, n))
    vectors = np.random.default_rng(seed).normal(size=(len(texts), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    record = Record(name, name, "hash", len(texts), len(body), tuple(access), {}, "2026-01-01")
    return Whole(record, Document(name, body), chunks, [" ".join(analyse(text)) for text in texts], vectors)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path, DIMENSION)


def insert(store: Store, *wholes: Whole) -> None:
    store.insert(batches(wholes, DIMENSION))


EVERYTHING = readable_by(None)


def test_a_replacement_is_one_commit_and_leaves_nothing_over(store: Store) -> None:
    insert(store, whole("d", [f"old number {n}" for n in range(9)], ["group:a"]), whole("e", ["other"]))
    version = store.version
    store.upsert(batches([whole("d", ["new text", "new more"], seed=1)], DIMENSION, {"d": 7}))
    assert store.version == version + 1
    rows = store.lexical(["new", "number", "old"], 50, EVERYTHING)
    assert sorted(row["id"] for row, _ in rows) == ["d:0", "d:1"]
    assert store.lexical(["old"], 50, readable_by(["group:a"])) == []
    everyone = every([])
    found = {row["id"] for row, _ in store.dense(np.ones(DIMENSION, np.float32), 50, everyone)}
    assert found == {"d:0", "d:1", "e:0"}
    store.delete(Among("kind", ("gone",)))
    assert store.count(Among("document_id", ("d",))) == 3


def test_access_is_part_of_the_search(store: Store) -> None:
    insert(store, whole("secret", ["the plan"], ["user:ada"]), whole("open", ["the plan too"]))
    assert {row["id"] for row, _ in store.lexical(["plan"], 9, readable_by(["user:bob"]))} == {"open:0"}
    assert {row["id"] for row, _ in store.lexical(["plan"], 9, readable_by(["user:ada"]))} == {"open:0", "secret:0"}
    assert store.lexical(["plan"], 9, HasAny("access", ())) == []
    assert len(store.dense(np.ones(DIMENSION, np.float32), 9, readable_by([""]))) == 1


@pytest.mark.parametrize("quote", ["o'neil", "a' OR 'x'='x", "'", "''", "\\", "日本", "%", "a\nb"])
def test_names_with_quotes_are_only_names(store: Store, quote: str) -> None:
    insert(store, whole("mine", ["the plan"], [f"user:{quote}"]), whole("hers", ["the plan"], ["user:x"]))
    found = store.lexical(["plan"], 9, readable_by([f"user:{quote}"]))
    assert [row["id"] for row, _ in found] == ["mine:0"]


def test_rows_that_no_index_covers_are_found(store: Store) -> None:
    insert(store, whole("a", ["first words"]))
    store.maintain()
    insert(store, whole("b", ["second words"], seed=3))
    assert {row["id"] for row, _ in store.lexical(["word"], 9, EVERYTHING)} == {"a:0", "b:0"}
    assert len(store.dense(np.ones(DIMENSION, np.float32), 9, EVERYTHING)) == 2


def test_the_vector_index_finds_what_an_exact_scan_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_EXACT_BELOW", 2_000)
    monkeypatch.setattr(store_module, "_VECTORS_PER_PARTITION", 50)
    store = Store.create(tmp_path, DIMENSION)
    some = whole("some", [f"text {n}" for n in range(40)], ["group:few"], seed=1)
    many = whole("many", [f"text {n}" for n in range(3960)], ["*"], seed=2)
    insert(store, some, many)
    store.maintain()
    assert json.loads((tmp_path / "vectors.json").read_text())["vectors"] >= 4000
    queries = np.random.default_rng(9).normal(size=(30, DIMENSION)).astype(np.float32)
    every_vector = np.concatenate([some.vectors, many.vectors])
    ids = [c.id for c in some.chunks] + [c.id for c in many.chunks]
    for asker, n in ((HasAny("access", ("group:few",)), 40), (every([]), 4000)):
        hits = 0
        for query in queries:
            exact = {ids[n] for n in np.argsort(-(every_vector[:n] @ query))[:10]}
            hits += len(exact & {row["id"] for row, _ in store.dense(query, 10, asker)})
        assert hits / 300 >= 0.98


def _passages(shared_data: Path, name: str) -> list[str]:
    articles = json.loads((shared_data / "xquad" / f"xquad.{name}.json").read_text(encoding="utf-8"))["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


def _questions(shared_data: Path, name: str) -> list[str]:
    articles = json.loads((shared_data / "xquad" / f"xquad.{name}.json").read_text(encoding="utf-8"))["data"]
    return [qa["question"] for article in articles for p in article["paragraphs"] for qa in p["qas"]][:150]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("indexed", [True, False])
def test_the_order_is_that_of_an_independent_bm25(
    store: Store, shared_data: Path, language: str, indexed: bool
) -> None:
    """Equal scores may stand in any order, so ranks are compared by the reference's score at each place."""
    passages = _passages(shared_data, language)
    insert(store, *(whole(f"p{n}", [text]) for n, text in enumerate(passages)))
    if indexed:
        store.maintain()
    corpus = [analyse(text) for text in passages]
    reference = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    reference.index(corpus, show_progress=False)
    compared = 0
    for question in _questions(shared_data, language):
        tokens = list(dict.fromkeys(analyse(question)))
        known = [token for token in tokens if token in reference.vocab_dict]
        scores = reference.get_scores(known)
        wanted = np.sort(scores)[::-1][:10]
        got = np.array([scores[int(row["source"][1:])] for row, _ in store.lexical(tokens, 10, EVERYTHING)])
        np.testing.assert_allclose(got, wanted[: len(got)], rtol=2e-3)
        assert len(got) == np.count_nonzero(wanted > 0)
        compared += 1
    assert compared == 150


def test_rows_that_the_index_does_not_cover_yet_rank_much_the_same(store: Store, shared_data: Path) -> None:
    """The engine scores them by the statistics of those covered: places may differ a little until `maintain`."""
    passages = _passages(shared_data, "en")
    first = len(passages) * 4 // 5
    insert(store, *(whole(f"p{n}", [text]) for n, text in enumerate(passages[:first])))
    store.maintain()
    insert(store, *(whole(f"p{n + first}", [text]) for n, text in enumerate(passages[first:])))
    assert store.uncovered() > 0

    def top(question: str) -> set[str]:
        return {row["source"] for row, _ in store.lexical(analyse(question), 10, EVERYTHING)}

    questions = _questions(shared_data, "en")
    before = [top(question) for question in questions]
    store.maintain()
    assert store.uncovered() == 0
    after = [top(question) for question in questions]
    assert np.mean([len(a & b) / len(b) for a, b in zip(before, after, strict=True)]) > 0.85


def _power_cut(root: Path, keep: set[str]) -> None:
    """Empty every file that was not flushed: the worst that a power cut leaves behind."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if path not in keep:
                os.truncate(path, 0)


def test_a_power_cut_loses_nothing_that_was_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "kb"
    root.mkdir()
    flushed: set[str] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store = Store.create(root, DIMENSION)
    insert(store, whole("safe", ["kept words"]))
    store.flush()
    insert(store, whole("lost", ["words never reported done"], seed=4))  # committed, not flushed
    flushed |= {str(path) for path in root.glob("*.json")}
    _power_cut(root, flushed)
    monkeypatch.setattr(durable, "boot_id", lambda: "another boot")
    monkeypatch.setattr(store_module, "boot_id", lambda: "another boot")
    after = Store.open(root)
    assert [row["id"] for row, _ in after.lexical(["word"], 9, EVERYTHING)] == ["safe:0"]
    insert(after, whole("lost", ["words reported at last"], seed=4))
    after.flush()
    assert len(Store.open(root).lexical(["word"], 9, EVERYTHING)) == 2


def test_every_file_of_a_flushed_commit_was_flushed(store: Store, tmp_path: Path) -> None:
    calls: list[str] = []
    real = os.fsync
    insert(store, whole("a", ["words"]))
    try:
        os.fsync = lambda descriptor: (calls.append(os.readlink(f"/proc/self/fd/{descriptor}")), real(descriptor))[1]
        store.flush()
    finally:
        os.fsync = real
    data = list((tmp_path / "chunks.lance" / "data").iterdir())
    assert data
    assert {str(path) for path in data} <= set(calls)
    assert str(tmp_path / "chunks.lance" / "_versions") in calls


def test_a_purge_takes_the_bytes_off_the_disk(store: Store, tmp_path: Path) -> None:
    insert(store, whole("keep", [f"ordinary words {n}" for n in range(300)]))
    insert(store, whole("doomed", ["the zyzzyvax protocol"], seed=5))
    store.maintain()
    store.delete(Among("document_id", ("doomed",)))
    assert store.purge()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"zyzzyvax" not in held
    assert store.count(And((Among("kind", ("chunk",)),))) == 300
    assert len(store.lexical(["ordinari"], 50, EVERYTHING)) == 50


def test_a_reader_survives_the_purge_of_the_version_it_read(store: Store, tmp_path: Path) -> None:
    reader = Store.open(tmp_path)
    insert(store, whole("a", ["words"]))
    assert reader.lexical(["word"], 9, EVERYTHING)
    for n in range(5):
        store.delete(Among("document_id", ("a",)))
        insert(store, whole("a", [f"words {n}"]))
        store.purge()
        assert [row["text"] for row, _ in reader.lexical(["word"], 9, EVERYTHING)] == [f"words {n}"]

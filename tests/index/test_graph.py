"""The graph: what a text names, what an asker sees, and that adding, deleting and access lists are exact."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.index import ingest
from trivium.index.graph.build import sync
from trivium.index.graph.draw import draw
from trivium.index.graph.export import as_dict, to_cypher, to_graphml, to_json
from trivium.index.graph.phrases import entities
from trivium.index.graph.rank import DAMPING, pagerank, seeds
from trivium.index.graph.values import entity_key
from trivium.index.graph.view import view
from trivium.models.fake import FakeEmbedder
from trivium.types import Document

FILMS = [
    Document("film.md", "Forbidden Ground is a Hungarian film directed by Pál Gábor.", title="Forbidden Ground"),
    Document("man.md", "Pál Gábor (2 November 1932 – 21 October 1987) was a director. Gábor made twenty films."),
    Document("who.md", "The World Health Organization (WHO) sits in Geneva. In 2020 WHO met in Berlin."),
    Document("other.md", "Bananas are yellow. Geneva lies on a lake."),
]


def names(kb: KnowledgeBase, **asker: Any) -> set[str]:
    return set(view(kb, **asker).names)


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("The Lord of the Rings was written by J. R. R. Tolkien.", {"Lord of the Rings", "J. R. R. Tolkien"}),
        ("He studied at the University of Oxford until 1951.", {"University of Oxford", "1951"}),
        ("The warranty of the X-200 printer lasts 24 months.", {"X-200", "24 months", "warranty", "printer"}),
        ("Error E-1042 means that the lid is open.", {"E-1042", "lid"}),
        ("She was born on 2 November 1932 in Vienna.", {"2 November 1932", "Vienna"}),
        ('They sang "Let It Be" in the U.S. Navy.', {"Let It Be", "U.S. Navy"}),
        ("鲁迅的小说《阿Q正传》发表于1921年12月4日。", {"鲁迅", "阿Q正传", "1921年12月4日", "小说"}),
        ("李建国是北京大学的教授。", {"李建国", "北京大学", "教授"}),
        ("打印机的保修期为二十四个月。", {"打印机", "保修期"}),
    ],
)
def test_what_a_sentence_names(sentence: str, wanted: set[str]) -> None:
    assert wanted <= {name for name, _ in entities(sentence)}


@pytest.mark.parametrize("text", ["", "...", "the of and", "🙂🙂", "“”", "《》", "\ud800", "A", "１２", "x" * 10_000])
def test_no_sentence_breaks_it(text: str) -> None:
    assert all(entity_key(name) or not name for name, _ in entities(text) if name.strip("🙂\ud800"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("U.S. Navy", "us navy"), ("The Beatles", "Beatles"), ("Pál Gábor", "PAL GABOR"), ("warranties", "Warranty")],
)
def test_writings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert entity_key(one) == entity_key(other)


def test_names_are_resolved_and_merged(kb: KnowledgeBase) -> None:
    kb.add(FILMS)
    sync(kb)
    seen = view(kb)
    assert seen.find("WHO") == seen.find("World Health Organization") is not None
    node = seen.describe(seen.find("pál gábor") or 0)
    assert node.name == "Pál Gábor"
    assert len(node.chunks) == 2
    assert seen.find("Gábor") is None  # it is Pál Gábor, throughout its document
    assert "Forbidden Ground" in {edge.target for edge in seen.edges(seen.find("Pál Gábor") or 0)}


def test_the_walk_reaches_what_the_question_does_not_name(kb: KnowledgeBase) -> None:
    kb.add(FILMS)
    sync(kb)
    seen = view(kb)
    starts = seeds(seen, "when was the director of forbidden ground born?")
    assert "Forbidden Ground" in {seen.names[node] for node in starts}
    nodes, chunks = pagerank(seen, {seen.find("Forbidden Ground") or 0: 1.0})
    assert 0.9 < nodes.sum() + chunks.sum() <= 1.0 + 1e-9
    source = {hit.id: record.source for record in kb.records() for hit in [record]}
    best = [source[seen.chunks[at].rpartition(":")[0]] for at in np.argsort(-chunks)[:2]]
    assert best == ["film.md", "man.md"]


def test_pagerank_is_the_stationary_distribution(kb: KnowledgeBase) -> None:
    kb.add(FILMS)
    sync(kb)
    seen = view(kb)
    start = seen.find("Geneva") or 0
    nodes, chunks = pagerank(seen, {start: 1.0}, {0: 0.5})
    size, all_ = seen.size, seen.size + len(seen.chunks)
    matrix = np.zeros((all_, all_))
    to_chunk, to_node = seen.steps
    matrix[size + seen.chunk, seen.node] = to_chunk
    matrix[seen.node, size + seen.chunk] = to_node
    restart = np.zeros(all_)
    restart[start], restart[size] = 2 / 3, 1 / 3
    exact = np.linalg.solve(np.eye(all_) - DAMPING * matrix, (1 - DAMPING) * restart)
    assert np.concatenate([nodes, chunks]) == pytest.approx(exact, abs=1e-4)


def test_incremental_equals_whole(open_kb: Callable[..., KnowledgeBase]) -> None:
    one, other = open_kb("one"), open_kb("other")
    one.add(FILMS)
    sync(one)
    for document in reversed(FILMS):
        other.add([document])
        sync(other)
    other.add([Document("gone.md", "Nothing here lasts. The Eiffel Tower stands in Paris.")])
    other.remove("gone.md")
    assert as_dict(view(one)) == as_dict(view(other))
    again = sync(other)
    assert (again.documents, again.unchanged, again.forgotten) == (0, 4, 0)


def test_adding_and_removing_keep_a_built_graph_in_line(kb: KnowledgeBase) -> None:
    kb.add(FILMS[:1])
    assert names(kb) == set()  # none was asked for
    sync(kb)
    kb.add(FILMS[1:])
    assert {"Geneva", "Pál Gábor"} <= names(kb)
    receipt = kb.remove("who.md")
    assert receipt.removed[0].graph == 1
    assert receipt.left == 0
    assert "World Health Organization" not in names(kb)
    assert "Geneva" in names(kb)  # another document names it
    assert b"World Health" not in b"".join(file.read_bytes() for file in kb.root.glob("graph.db*"))


def test_what_a_kill_left_behind_is_not_shown(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    kb.add(FILMS)
    sync(kb)
    monkeypatch.setattr(ingest, "sync", lambda index: None)  # as if the process ended between the two commits
    kb.add([Document("other.md", "Cherries are red.")])
    assert not {"Bananas", "lake"} & names(kb)
    monkeypatch.undo()
    assert sync(kb).documents == 1
    assert "Cherries" in names(kb)


def test_a_file_that_is_no_database_is_made_anew(kb: KnowledgeBase) -> None:
    kb.add(FILMS)
    (kb.root / "graph.db").write_bytes(b"torn" * 1000)
    sync(kb)
    assert "Geneva" in names(kb)


def test_a_filter_reaches_the_graph(kb: KnowledgeBase) -> None:
    kb.add(FILMS[:2], metadata={"kind": "film"})
    kb.add(FILMS[2:], metadata={"kind": "other"})
    sync(kb)
    assert "Geneva" not in names(kb, where='kind = "film"')
    assert "Pál Gábor" not in names(kb, where='kind = "other"')


PEOPLE = ("Ada Lovelace", "Bob Dylan", "Carl Sagan", "Dora Maar")
PLACES = ("Paris", "Geneva", "New York City", "World Bank Group (WBG)", "WBG", "北京大学", "Ground Zero")


def _document(rng: random.Random, n: int) -> Document:
    sentences = [f"Today {rng.choice(PEOPLE)} met {rng.choice(PEOPLE)} in {rng.choice(PLACES)}." for _ in range(4)]
    return Document(f"d{n}", " ".join(sentences), title=rng.choice(("", "Meetings", rng.choice(PEOPLE))))


@pytest.mark.parametrize("seed", range(4))
def test_an_asker_sees_the_graph_of_what_they_may_read_and_nothing_else(seed: int, tmp_path: Path) -> None:
    """After any additions, changes of text and access, and removals: the graph of a base of the readable alone."""
    rng = random.Random(seed)
    embedder = FakeEmbedder(16)
    kb = trivium.open(tmp_path / "kb", embedder=embedder)
    kb.add([_document(rng, 0)])
    sync(kb)
    held: dict[str, tuple[Document, tuple[str, ...]]] = {"d0": (kb.document(kb.records()[0].id), ("*",))}  # type: ignore[dict-item]
    for _ in range(8):
        n = rng.randrange(5)
        if f"d{n}" in held and rng.random() < 0.3 and len(held) > 1:
            kb.remove(f"d{n}")
            del held[f"d{n}"]
        else:
            keep = held.get(f"d{n}")
            document = keep[0] if keep and rng.random() < 0.4 else _document(rng, n)
            access = rng.choice((("*",), ("user:ada",), ("user:bob", "user:ada"), ("user:bob",)))
            kb.add([document], access)
            held[f"d{n}"] = (document, access)
    for asker in (None, ["user:ada"], ["user:bob"], ["user:eve"]):
        may = {"*", *(asker or ())}
        alone = trivium.open(tmp_path / f"alone-{asker}", embedder=embedder)
        alone.add([document for document, access in held.values() if may & set(access)])
        sync(alone)
        assert as_dict(view(kb, principals=asker)) == as_dict(view(alone))


def test_export_and_picture(kb: KnowledgeBase) -> None:
    kb.add([*FILMS, Document("evil.md", "A <b>Tag & 'Quote' O'Neil \\ Back\\slash</b> in Geneva.")])
    sync(kb)
    graph = as_dict(view(kb))
    root = ElementTree.fromstring(to_graphml(graph))
    assert len(root.findall(".//{*}node")) == len(graph["nodes"])
    assert len(root.findall(".//{*}edge")) == len(graph["edges"]) > 0
    assert to_json(graph).startswith("{")
    cypher = to_cypher(graph)
    assert cypher.count("MERGE (e:Entity") == len(graph["nodes"])
    assert "'O\\'Neil" in cypher
    for picture in (draw(view(kb)), draw(view(kb), "Geneva"), draw(view(kb), "nobody")):
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert as_dict(view(kb), least=2)["nodes"]
    assert all(len(node["chunks"]) > 1 for node in as_dict(view(kb), least=2)["nodes"])

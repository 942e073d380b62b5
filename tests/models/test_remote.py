"""Remote embedding and reranking: order, batches, unit rows, and each wrong answer."""

import numpy as np
import pytest
from tests.models.loopback import Loopback, Reply

from trivium.errors import RemoteError
from trivium.models import endpoint as endpoint_module
from trivium.models.base import Embedder, Reranker
from trivium.models.fake import FakeEmbedder, FakeReranker
from trivium.models.remote import RemoteEmbedder, RemoteReranker

FAKE = FakeEmbedder(16)


def embeds(request):
    """Answer as an endpoint would: shuffled, and not of unit length."""
    texts = request.body["input"]
    rows = [{"index": n, "embedding": (3 * FAKE.embed([text])[0]).tolist()} for n, text in enumerate(texts)]
    return Reply({"data": rows[::-1], "model": "e"})


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT", 0.02)
    server = Loopback()
    server.otherwise = embeds
    yield server
    server.close()


def test_vectors_come_in_order_and_unit_length_over_many_batches(server):
    texts = [f"text number {n} about {'ships' * (n % 3)}" for n in range(50)]
    embedder: Embedder = RemoteEmbedder(server.url, "e", batch_texts=7)
    vectors = embedder.embed(texts)
    np.testing.assert_allclose(vectors, FAKE.embed(texts), atol=1e-6)
    assert vectors.dtype == np.float32
    assert len(server.requests) == 8
    assert max(len(request.body["input"]) for request in server.requests) == 7
    assert server.requests[0].path == "/v1/embeddings"


def test_batches_are_bounded_in_characters(server):
    texts = ["x" * 30, "y" * 30, "z" * 30, "long " * 30]
    RemoteEmbedder(server.url, "e", batch_characters=70).embed(texts)
    assert sorted(len(request.body["input"]) for request in server.requests) == [1, 1, 2]


def test_dimension_is_found_once_and_nothing_is_embedded_for_nothing(server):
    embedder = RemoteEmbedder(server.url, "e")
    assert [embedder.dimension, embedder.dimension] == [16, 16]
    assert embedder.embed([]).shape == (0, 16)
    assert len(server.requests) == 1


def test_prefixes_and_name(server):
    plain = RemoteEmbedder(server.url, "e")
    embedder = RemoteEmbedder(server.url, "e", query_prefix="query: ", passage_prefix="passage: ")
    embedder.embed_query("ship")
    embedder.embed(["sea"])
    assert [request.body["input"] for request in server.requests] == [["query: ship"], ["passage: sea"]]
    assert embedder.name != plain.name == f"{server.url}#e"


def test_a_batch_that_is_too_large_is_halved(server):
    def strict(request):
        return embeds(request) if len(request.body["input"]) <= 2 else Reply({}, 413)

    server.otherwise = strict
    texts = [f"text {n}" for n in range(9)]
    np.testing.assert_allclose(RemoteEmbedder(server.url, "e").embed(texts), FAKE.embed(texts), atol=1e-6)


def test_one_text_that_is_too_large_is_an_error(server):
    server.otherwise = lambda request: Reply({}, 413)
    with pytest.raises(RemoteError) as caught:
        RemoteEmbedder(server.url, "e").embed(["a", "b"])
    assert caught.value.status == 413


def test_long_texts_are_cut_with_a_warning(server, caplog):
    embedder = RemoteEmbedder(server.url, "e", max_tokens=5)
    embedder.embed(["one two three four five six seven", "short", "界" * 50])
    assert server.requests[0].body["input"] == ["one two three four five", "short", "界" * 5]
    assert "2 of 3 texts were cut" in caplog.text


def test_an_empty_text_is_sent_as_a_blank(server):
    server.otherwise = lambda request: Reply({"data": [{"index": 0, "embedding": [1.0, 0.0]}]})
    RemoteEmbedder(server.url, "e").embed([""])
    assert server.requests[0].body["input"] == [" "]


def test_one_failing_batch_fails_the_call(server):
    def some(request):
        return Reply({"error": "boom"}, 400) if "text 8" in request.body["input"] else embeds(request)

    server.otherwise = some
    with pytest.raises(RemoteError, match="boom"):
        RemoteEmbedder(server.url, "e", batch_texts=3).embed([f"text {n}" for n in range(30)])


def row(index, *values):
    return {"index": index, "embedding": list(values)}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None},
        {"data": [{"embedding": [1.0]}]},
        {"data": [row(0, 1.0)]},
        {"data": [row(0, 1.0), row(1, 2.0), row(2, 3.0)]},
        {"data": [row(0, 1.0), row(0, 2.0)]},
        {"data": [row(0, 1.0), row(1, 2.0, 3.0)]},
        {"data": [row(0, 1.0), row(1, 0.0)]},
        {"data": [row(0, 1.0), row(1, "x")]},
        {"data": [row(0, 1.0), row(1, None)]},
        {"data": [{"index": 0, "embedding": 1.0}, {"index": 1, "embedding": 1.0}]},
        {"data": []},
        [1, 2],
    ],
)
def test_wrong_answers_are_errors_not_vectors(server, answer):
    server.otherwise = lambda request: Reply(answer)
    with pytest.raises(RemoteError):
        RemoteEmbedder(server.url, "e").embed(["a", "b"])


def test_token_spans_and_unknown_rate(server):
    embedder = RemoteEmbedder(server.url, "e")
    text = "Warranty: 两年."
    assert [text[start:end] for start, end in embedder.token_spans(text)] == ["Warra", "nty", ":", "两", "年", "."]
    assert embedder.unknown_rate("两年") == 0.0
    assert server.requests == []


PASSAGES = ["the sea", "a ship at sea", "bread", "a ship"]


def reranks(request, score="relevance_score"):
    scores = FakeReranker().rerank(request.body["query"], request.body["documents"])
    rows = [{"index": n, score: float(value)} for n, value in enumerate(scores)]
    return Reply({"results": sorted(rows, key=lambda row: -row[score])})


@pytest.mark.parametrize("batch", [100, 3, 1])
def test_scores_come_in_the_order_of_the_passages(server, batch):
    server.otherwise = reranks
    reranker: Reranker = RemoteReranker(server.url, "r", batch_passages=batch)
    scores = reranker.rerank("a ship", PASSAGES)
    np.testing.assert_array_equal(scores, FakeReranker().rerank("a ship", PASSAGES))
    assert server.requests[0].path == "/v1/rerank"
    assert server.requests[0].body["documents"] == PASSAGES[:batch]


def test_no_passages_no_call(server):
    assert RemoteReranker(server.url, "r").rerank("a", []).shape == (0,)
    assert server.requests == []


def test_the_other_shape_of_scores_is_understood(server):
    server.otherwise = lambda request: Reply([{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}])
    np.testing.assert_allclose(RemoteReranker(server.url, "r").rerank("q", ["a", "b"]), [0.1, 0.9])


@pytest.mark.parametrize(
    "answer", [{}, {"results": [{"index": 0, "relevance_score": 1}]}, {"results": None}, [{"index": 0}], "no"]
)
def test_missing_scores_are_errors(server, answer):
    server.otherwise = lambda request: Reply(answer)
    with pytest.raises(RemoteError, match="scores of all passages"):
        RemoteReranker(server.url, "r").rerank("q", ["a", "b"])

from __future__ import annotations


def test_search(run, kb) -> None:
    done = run("search", "[how] long?", "--mode", "lexical", "--filter", "year >= 2023", "--as", "user:a", "--k", "3")
    assert done.status == 0
    assert "1. /docs/[bold]warranty.pdf, page 3  0.750  dense+lexical" in done.out
    assert "[red]x[/red]" in done.out
    assert kb.calls[-1][1] == (
        "[how] long?",
        {"k": 3, "mode": "lexical", "filter": "year >= 2023", "principals": ("user:a",)},
    )


def test_search_json(run, kb) -> None:
    found = run("search", "how?", "--json").json
    assert set(found) == {"question", "hits"}
    assert [set(hit) for hit in found["hits"]] == [{"chunk_id", "source", "page", "score", "found_by", "text"}]
    assert kb.calls[-1][1][1]["principals"] is None


def test_a_lexical_search_fetches_no_model(run, kb) -> None:
    run("search", "how?", "--mode", "lexical")
    assert not [call for call in kb.calls if call[0] == "fetch"]
    run("search", "how?")
    assert ("fetch", ["embedding"]) in kb.calls
    run("search", "how?", "--embedder", "mine")
    assert kb.calls[-2] == ("fetch", [])

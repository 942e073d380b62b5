"""Markdown taken apart, and put together with exact places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trivium.documents.clean import clean
from trivium.documents.parts import Part, assemble
from trivium.documents.structure import spans_between, split_markdown, table, without_comments


def kinds(text: str) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for part in split_markdown(text)]


def test_headings_code_tables_and_prose() -> None:
    text = "# One #\nprose\nmore\n\nTwo\n---\n```py\n# no heading\n```\n| a | b |\n|---|:-:|\n| 1 | 2 |\nafter"
    assert kinds(text) == [
        ("heading", "One"),
        ("prose", "prose\nmore"),
        ("heading", "Two"),
        ("code", "```py\n# no heading\n```"),
        ("table", "| a | b |\n|---|:-:|\n| 1 | 2 |"),
        ("prose", "after"),
    ]
    assert [part.level for part in split_markdown(text) if part.kind == "heading"] == [1, 2]


def test_what_is_no_heading() -> None:
    assert kinds("#hashtag") == [("prose", "#hashtag")]
    assert kinds("- item\n---") == [("prose", "- item\n---")]
    assert kinds("text\nmore\n---") == [("prose", "text\nmore\n---")]
    assert kinds("a | b\n\n- c") == [("prose", "a | b\n\n- c")]


def test_a_fence_without_end_runs_to_the_end() -> None:
    assert kinds("```\n# a\n\nb") == [("code", "```\n# a\n\nb")]
    assert kinds("````\n```\n````\nx") == [("code", "````\n```\n````"), ("prose", "x")]


@given(st.text(alphabet="ab#|-`~= \n中。", max_size=200))
def test_nothing_is_lost_in_parting_and_joining(text: str) -> None:
    joined = assemble(clean(split_markdown(text)))
    letters = [character for character in text if character in "ab中。"]
    assert [character for character in joined.text if character in "ab中。"] == letters
    for heading in joined.headings:
        assert joined.text[heading.start : heading.end] == f"{'#' * heading.level} {heading.title}"
    for block in joined.blocks:
        assert joined.text[block.start : block.end].strip()


def test_pages_cover_the_text_and_glue_is_kept() -> None:
    parts = [Part("a", page=1), Part("b", page=1, glue="\n"), Part("c", page=3, glue=" "), Part("", page=4)]
    joined = assemble(parts)
    assert joined.text == "a\nb c"
    assert [(page.number, page.start, page.end) for page in joined.pages] == [(1, 0, 4), (3, 4, 5)]
    assert assemble([]).pages == ()


def test_table_fills_short_rows_and_escapes_bars() -> None:
    assert table([["a", "b"], ["1|2"], ["x\ny", "z"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 |  |\n| x y | z |"
    assert table([]) == ""


def test_spans_between_takes_one_pass() -> None:
    assert list(spans_between("<A>x</A> <a>", "<a>", "</a>")) == [(0, 8)]
    assert list(spans_between("<a>" * 100_000, "<a>", "</a>")) == []
    assert without_comments("a<!-- b -->c<!-- d") == "ac d"

"""Plain text, Markdown and code."""

from __future__ import annotations

from trivium.documents.readers.plain import read_code, read_markdown, read_text


def shape(parts: object) -> list[tuple[str, str]]:
    return [(part.kind, part.text.strip()) for part in parts if part.text.strip()]  # type: ignore[attr-defined]


def test_chapters_of_a_chinese_statute() -> None:
    text = "某某条例\n\n第一章 总则\n第一条 为了规范。\n第二章 职责\n第一节 机构\n第三条 依照第一章办理。\n"
    found = read_text(text).parts
    assert [(part.text, part.level) for part in found if part.kind == "heading"] == [
        ("第一章 总则", 2),
        ("第二章 职责", 2),
        ("第一节 机构", 3),
    ]


def test_a_table_of_contents_makes_no_headings() -> None:
    text = "目录\n第一章 总则\n第二章 职责\n第三章 附则\n\n第一章 总则\n正文。\n第二章 职责\n正文。"
    headings = [part.text for part in read_text(text).parts if part.kind == "heading"]
    assert headings == ["第三章 附则", "第一章 总则", "第二章 职责"] or headings == ["第一章 总则", "第二章 职责"]
    assert not [part for part in read_text("第一章 总则……1\n第二章 职责……5\n").parts if part.kind == "heading"]


def test_english_chapters() -> None:
    found = read_text("CHAPTER I\n\nLoomings\n\nCall me Ishmael.\n\nCHAPTER II\n\nThe Carpet-Bag\n").parts
    assert [part.text for part in found if part.kind == "heading"] == ["CHAPTER I", "CHAPTER II"]


def test_text_with_markdown_headings_is_left_to_them() -> None:
    found = read_text("# Title\n\n第一章 总则\n正文。").parts
    assert [part.text for part in found if part.kind == "heading"] == ["Title"]


def test_front_matter() -> None:
    reading = read_markdown('---\ntitle: "The Handbook"\nauthor: Ann\ndate: 2024-05-06\ntags: [a]\n---\n# Start\ntext')
    assert (reading.title, reading.author, reading.created) == ("The Handbook", "Ann", "2024-05-06")
    assert shape(reading.parts) == [("heading", "Start"), ("prose", "text")]
    assert "no fields here" in shape(read_markdown("---\nno fields here\n---\ntext").parts)[0][1]


def test_borrowed_html_goes_and_code_stays() -> None:
    text = (
        '<h1 align="center">Tool</h1>\n[![ci](a)](b) <!-- hidden\ncomment -->\n\nUse `<b>` and <b>bold</b>: 1 < 2, <https://x.y>.\n'
        "<img src=x alt='A picture of it'>\n\n```html\n<p>kept</p><!-- kept -->\n```\n"
    )
    assert shape(read_markdown(text).parts) == [
        ("heading", "Tool"),
        ("prose", "Use `<b>` and bold: 1 < 2, <https://x.y>.\n[A picture of it]"),
        ("code", "```html\n<p>kept</p><!-- kept -->\n```"),
    ]


def test_html_tables_in_markdown() -> None:
    found = shape(
        read_markdown("before\n<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>\nafter").parts
    )
    assert found == [("prose", "before"), ("table", "| A | B |\n| --- | --- |\n| 1 | 2 |"), ("prose", "after")]


def test_links_are_kept_as_written() -> None:
    assert shape(read_markdown("see [the portal](https://portal.example) now").parts) == [
        ("prose", "see [the portal](https://portal.example) now")
    ]


def test_code_is_one_block() -> None:
    assert shape(read_code("def f():\n    pass\n").parts) == [("code", "def f():\n    pass")]

"""HTML: what a reader of the page came for."""

from __future__ import annotations

from trivium.documents.parts import Part
from trivium.documents.readers.web import read_html


def parts(html: str) -> list[Part]:
    return list(read_html(html).parts)


def texts(html: str) -> list[str]:
    return [part.text for part in parts(html)]


def test_headings_paragraphs_lists_and_breaks() -> None:
    html = (
        "<h2>A <em>title</em></h2><p>One <b>two</b>\n three<br>four</p><ul><li>x<li>y<ul><li>z</ul></ul><ol><li>n</ol>"
    )
    found = parts(html)
    assert [(part.kind, part.text) for part in found] == [
        ("heading", "A title"),
        ("prose", "One two three\nfour"),
        ("prose", "- x"),
        ("prose", "- y"),
        ("prose", "  - z"),
        ("prose", "1. n"),
    ]
    assert [part.glue for part in found[2:5]] == ["\n\n", "\n", "\n"]


def test_what_is_not_seen() -> None:
    html = (
        "<style>p{}</style><script>var x='<p>no</p>'</script><nav>menu</nav><div class='navbar-top'>menu</div>"
        "<div hidden>no</div><p style='display: none'>no</p><template>no</template><p>seen</p>"
        "<div role='navigation'>no</div><!-- no --><noscript>no</noscript><svg><text>no</text></svg>"
    )
    assert texts(html) == ["seen"]


def test_the_main_part_of_a_page_where_it_is_most_of_it() -> None:
    page = "<header>Shop</header><main><h1>Manual</h1><p>{}</p></main><footer>Imprint</footer>"
    assert texts(page.format("The device starts. " * 20))[0] == "Manual"
    assert "Imprint" not in texts(page.format("The device starts. " * 20))
    assert "Long imprint. " * 50 in " ".join(texts(page.format("x").replace("Imprint", "Long imprint. " * 50))) + " "


def test_a_menu_that_never_closes_does_not_swallow_the_page() -> None:
    assert "The whole text." in texts("<nav><a>Home</a><div><p>The whole text.</p>" + "<p>More of it.</p>" * 30)


def test_code_keeps_its_lines_and_language() -> None:
    found = parts(
        '<pre><code class="language-python">def f():\n    return 1 &lt; 2\n</code></pre><p>use <code>f</code></p>'
    )
    assert [(part.kind, part.text) for part in found] == [
        ("code", "```python\ndef f():\n    return 1 < 2\n```"),
        ("prose", "use `f`"),
    ]


def test_tables_with_spans() -> None:
    (part,) = parts("<table><tr><th>A<th colspan=2>B<tr><td rowspan=2>1<td>2<td>3<tr><td>4<td>5|6</table>")
    assert part.kind == "table"
    assert part.text.split("\n") == ["| A | B | B |", "| --- | --- | --- |", "| 1 | 2 | 3 |", "| 1 | 4 | 5\\|6 |"]


def test_a_span_that_reaches_below_the_last_filled_row() -> None:
    (part,) = parts("<table><tr><th>A<th>B<tr><td>1<td rowspan=3>2<tr><tr><td>9</table>")
    assert part.text.split("\n")[2:] == ["| 1 | 2 |", "| | 2 |".replace("| |", "|  |"), "| 9 | 2 |"]


def test_layout_tables_are_no_tables() -> None:
    assert texts("<table><tr><td>Only one cell.</table>") == ["Only one cell."]
    nested = "<table><tr><td>left<td><table><tr><th>a<th>b<tr><td>1<td>2</table></table>"
    assert [part.kind for part in parts(nested)] == ["prose", "table"]
    assert [part.kind for part in parts("<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>")] == [
        "prose"
    ] * 4


def test_lists_in_cells_are_parted() -> None:
    (part,) = parts("<table><tr><th>who<td><ul><li>a<li>b</ul></table>")
    assert "a; b" in part.text


def test_chinese_lines_are_joined_without_a_space() -> None:
    assert texts("<p>中国科学院\n  研究所 和\nGPU</p>") == ["中国科学院研究所 和 GPU"]


def test_properties() -> None:
    reading = read_html(
        "<html lang='zh-CN'><head><title> The\n Title </title><meta name=author content='Ann'>"
        "<meta property='article:published_time' content='2024-01-02'></head><body><p>x</p></body></html>"
    )
    assert (reading.title, reading.author, reading.created, reading.language) == (
        "The Title",
        "Ann",
        "2024-01-02",
        "zh-CN",
    )


def test_pictures_that_say_something() -> None:
    assert texts('<p>a<img alt="logo"><img alt="A bar chart of sales"></p>') == ["a [A bar chart of sales]"]

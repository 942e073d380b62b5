# ruff: noqa: E501 (XML)
"""Office files: Word and slides read directly, the others through kreuzberg."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trivium.documents.parse import parse
from trivium.documents.parts import Unreadable
from trivium.documents.readers.numbering import written
from trivium.documents.readers.office import read_office
from trivium.documents.readers.slides import read_slides
from trivium.documents.readers.words import read_words

MakeZip = Callable[[dict[str, bytes | str]], bytes]
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODT = f"""<?xml version="1.0"?><office:document-content xmlns:office="{OFFICE}:office:1.0"
 xmlns:text="{OFFICE}:text:1.0" xmlns:table="{OFFICE}:table:1.0"><office:body><office:text>
<text:h text:outline-level="1">保修手册</text:h><text:p>The <text:span>warranty</text:span> lasts two years.</text:p>
<text:list><text:list-item><text:p>first</text:p></text:list-item><text:list-item><text:p>second</text:p></text:list-item>
</text:list><table:table><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell><table:table-cell>
<text:p>B</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>1</text:p>
</table:table-cell><table:table-cell><text:p>2</text:p></table:table-cell></table:table-row></table:table>
<text:h text:outline-level="2">附录</text:h><text:p>中文段落。</text:p></office:text></office:body></office:document-content>"""
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def test_opendocument_text(make_zip: MakeZip) -> None:
    data = make_zip({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": ODT})
    document = parse(data, "a.odt")
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "保修手册"), (2, "附录")]
    assert "The warranty lasts two years.\n\n- first\n- second\n\n| A | B |\n| --- | --- |\n| 1 | 2 |" in document.text
    assert document.title == "保修手册"


def test_rtf_in_a_chinese_code_page() -> None:
    data = (
        rb"{\rtf1\ansi\ansicpg936{\info{\title My RTF}{\author Ann}}\f0\fs24 Hello \b bold\b0  world.\par "
        rb"Second \u20013?\u25991? \'d6\'d0.\par}"
    )
    document = parse(data, "a.rtf")
    assert document.text == "Hello bold world.\n\nSecond 中文 中."
    assert (document.title, document.author) == ("My RTF", "Ann")


def docx(body: str, make_zip: MakeZip, **parts: str) -> bytes:
    """Return a Word file of a body; `styles`, `numbering`, `footnotes` are the insides of these parts."""
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    files: dict[str, bytes | str] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f"<Relationships xmlns='{RELATIONS}'><Relationship Id='r' Type='{relation}/officeDocument' "
        "Target='word/document.xml'/></Relationships>",
        "word/document.xml": f"<w:document xmlns:w='{WORD}'><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": f"<Relationships xmlns='{RELATIONS}'>"
        + "".join(f"<Relationship Id='{n}' Type='{relation}/{n}' Target='{n}.xml'/>" for n in parts)
        + "</Relationships>",
    }
    for name, content in parts.items():
        files[f"word/{name}.xml"] = f"<w:{name} xmlns:w='{WORD}'>{content}</w:{name}>"
    return make_zip(files)


def para(words: str, *, properties: str = "", inside: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space='preserve'>{words}</w:t>{inside}</w:r></w:p>"


PAGE_BREAK = "<w:br w:type='page'/>"


def test_word_pages_follow_the_breaks(make_zip: MakeZip) -> None:
    body = para("First page.", inside=PAGE_BREAK) + para("Second page.", inside=PAGE_BREAK) + para("Third.")
    document = parse(docx(body, make_zip), "a.docx")
    found = {page.number: document.text[page.start : page.end].strip() for page in document.pages}
    assert found == {1: "First page.", 2: "Second page.", 3: "Third."}


def test_word_pages_as_word_laid_them_out(make_zip: MakeZip) -> None:
    cut = "<w:p><w:r><w:t xml:space='preserve'>It begins </w:t></w:r><w:r><w:lastRenderedPageBreak/><w:t>and ends.</w:t></w:r></w:p>"
    document = parse(docx(para("One.") + cut + para("Two.", inside=PAGE_BREAK), make_zip), "a.docx")
    assert document.text == "One.\n\nIt begins and ends.\n\nTwo."
    assert document.text[document.pages[1].start :].startswith("and ends.")


def test_word_signs_come_as_they_are(make_zip: MakeZip) -> None:
    body = para("Use *stars*, #hash, 50% _and_ [brackets] &lt;b&gt;, x &lt; y &amp;&amp; y &gt; z | pipes!")
    assert (
        parse(docx(body, make_zip), "a.docx").text
        == "Use *stars*, #hash, 50% _and_ [brackets] <b>, x < y && y > z | pipes!"
    )


STYLES = (
    "<w:style w:styleId='1'><w:name w:val='heading 1'/><w:pPr><w:outlineLvl w:val='0'/><w:numPr><w:numId w:val='7'/>"
    "</w:numPr></w:pPr></w:style><w:style w:styleId='My'><w:name w:val='mine'/><w:basedOn w:val='1'/></w:style>"
    "<w:style w:styleId='T'><w:name w:val='Title'/></w:style><w:style w:styleId='TOC1'><w:name w:val='toc 1'/></w:style>"
    "<w:style w:styleId='C'><w:name w:val='Source Code'/></w:style>"
)
NUMBERING = (
    "<w:abstractNum w:abstractNumId='3'><w:lvl w:ilvl='0'><w:numFmt w:val='chineseCounting'/><w:lvlText w:val='第%1章'/>"
    "</w:lvl></w:abstractNum><w:abstractNum w:abstractNumId='4'><w:lvl w:ilvl='0'><w:start w:val='3'/>"
    "<w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl><w:lvl w:ilvl='1'><w:numFmt w:val='lowerLetter'/>"
    "<w:lvlText w:val='%1.%2)'/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId='5'><w:lvl w:ilvl='0'>"
    "<w:numFmt w:val='bullet'/><w:lvlText w:val='o'/></w:lvl></w:abstractNum>"
    "<w:num w:numId='7'><w:abstractNumId w:val='3'/></w:num><w:num w:numId='8'><w:abstractNumId w:val='4'/></w:num>"
    "<w:num w:numId='9'><w:abstractNumId w:val='5'/></w:num>"
)


def item(number: int, level: int = 0) -> str:
    return f"<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='{number}'/></w:numPr>"


def test_word_headings_and_numbers(make_zip: MakeZip) -> None:
    body = (
        para("The Manual", properties="<w:pStyle w:val='T'/>")
        + para("总则 ..... 3", properties="<w:pStyle w:val='TOC1'/>")
        + para("总则", properties="<w:pStyle w:val='1'/>")
        + para("one", properties=item(8))
        + para("inner", properties=item(8, 1))
        + para("two", properties=item(8))
        + para("附则", properties="<w:pStyle w:val='My'/>")
        + para("dot", properties=item(9))
        + para("def f(x):", properties="<w:pStyle w:val='C'/>")
        + para("    return x", properties="<w:pStyle w:val='C'/>")
    )
    document = parse(docx(body, make_zip, styles=STYLES, numbering=NUMBERING), "a.docx")
    assert document.text == (
        "# The Manual\n\n# 第一章 总则\n3. one\n  3.a) inner\n4. two\n\n# 第二章 附则\n- dot\n\n```\ndef f(x):\n    return x\n```"
    )
    assert document.title == "The Manual"


def test_word_changes_notes_and_text_boxes(make_zip: MakeZip) -> None:
    body = (
        "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t> added</w:t></w:r></w:ins><w:r><w:footnoteReference w:id='2'/></w:r>"
        "<w:r><w:fldChar/><w:instrText>PAGEREF secret</w:instrText></w:r><w:r><w:noBreakHyphen/><w:tab/><w:t>end</w:t></w:r></w:p>"
        "<w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"
        "<w:sdt><w:sdtContent>" + para("controlled") + "</w:sdtContent></w:sdt>"
    )
    notes = (
        "<w:footnote w:id='0' w:type='separator'><w:p/></w:footnote><w:footnote w:id='2'>"
        + para("See below.")
        + "</w:footnote>"
    )
    document = parse(docx(body, make_zip, footnotes=notes), "a.docx")
    assert document.text == "kept added- end\n\nNote: See below.\n\nboxed\n\ncontrolled"


def test_word_tables(make_zip: MakeZip) -> None:
    def cell(words: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{para(words)}</w:tc>"

    start, goes_on = "<w:vMerge w:val='restart'/>", "<w:vMerge/>"
    body = (
        f"<w:tbl><w:tr>{cell('A', '<w:gridSpan w:val=' + repr('2') + '/>')}{cell('B')}</w:tr>"
        f"<w:tr>{cell('1', start)}{cell('2')}{cell('3')}</w:tr><w:tr>{cell('', goes_on)}{cell('4')}{cell('5')}</w:tr></w:tbl>"
        f"<w:tbl><w:tr>{cell('a frame around text')}</w:tr></w:tbl>"
    )
    assert parse(docx(body, make_zip), "a.docx").text == (
        "| A | A | B |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n| 1 | 4 | 5 |\n\na frame around text"
    )


@pytest.mark.parametrize(
    ("number", "form", "expected"),
    [
        (4, "lowerRoman", "iv"),
        (1999, "upperRoman", "MCMXCIX"),
        (28, "upperLetter", "BB"),
        (12, "chineseCounting", "十二"),
        (20, "japaneseCounting", "二十"),
        (35, "ideographDigital", "三十五"),
        (7, "decimal", "7"),
        (0, "lowerRoman", "0"),
    ],
)
def test_forms_of_numbers(number: int, form: str, expected: str) -> None:
    assert written(number, form) == expected


def test_a_damaged_word_file(make_zip: MakeZip) -> None:
    with pytest.raises(Unreadable, match="its main part cannot be read"):
        read_words(make_zip({"[Content_Types].xml": "<T/>", "word/document.xml": "<broken"}))


@pytest.mark.parametrize("kind", ["xlsx", "xls", "doc", "odt", "ppt"])
def test_damaged_files_give_one_line(kind: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_office(b"\xd0\xcf\x11\xe0 nothing of the kind" * 20, kind)
    assert str(caught.value).startswith("it is damaged")
    assert "\n" not in str(caught.value)


A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def shape(words: str, top: int, left: int = 0, role: str = "") -> str:
    holder = f'<p:ph type="{role}"/>' if role else ""
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in words.split("\n"))
    return (
        f"<p:sp><p:nvSpPr><p:cNvPr id='1' name='x'/><p:nvPr>{holder}</p:nvPr></p:nvSpPr><p:spPr><a:xfrm>"
        f"<a:off x='{left}' y='{top}'/></a:xfrm></p:spPr><p:txBody>{lines}</p:txBody></p:sp>"
    )


def slides_of(make_zip: MakeZip, *slides: str, extra: dict[str, bytes | str] | None = None) -> bytes:
    files: dict[str, bytes | str] = {"[Content_Types].xml": "<Types/>"}
    listed = "".join(f"<p:sldId id='{n}' r:id='r{n}'/>" for n in range(len(slides)))
    files["ppt/presentation.xml"] = (
        f"<p:presentation xmlns:p='{P}' xmlns:r='{R}'><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    )
    files["ppt/_rels/presentation.xml.rels"] = (
        f"<Relationships xmlns='{RELATIONS}'>"
        + "".join(
            f"<Relationship Id='r{n}' Type='{R}/slide' Target='slides/slide{n}.xml'/>" for n in range(len(slides))
        )
        + "</Relationships>"
    )
    for n, tree in enumerate(slides):
        files[f"ppt/slides/slide{n}.xml"] = (
            f"<p:sld xmlns:p='{P}' xmlns:a='{A}' xmlns:r='{R}'><p:cSld><p:spTree>{tree}</p:spTree></p:cSld></p:sld>"
        )
    return make_zip({**files, **(extra or {})})


def test_slides_are_read_from_the_top(make_zip: MakeZip) -> None:
    second = shape("right", 2_000_000, 5_000_000) + shape("left", 2_000_000) + shape("Below", 4_000_000)
    data = slides_of(
        make_zip,
        shape("Sub", 3_000_000) + shape("Title", 9_000_000, role="title") + shape("7", 0, role="sldNum"),
        shape("Heading", 100) + second,
        shape("a\nb", 2_000_000, role="body"),
    )
    found = read_slides(data).parts
    assert [(part.page, part.kind, part.text) for part in found] == [
        (1, "heading", "Title"),
        (1, "prose", "Sub"),
        (2, "heading", "Heading"),
        (2, "prose", "left"),
        (2, "prose", "right"),
        (2, "prose", "Below"),
        (3, "prose", "- a"),
        (3, "prose", "- b"),
    ]


def test_notes_and_merged_cells(make_zip: MakeZip) -> None:
    def cell(words: str, how: str = "") -> str:
        return f"<a:tc {how}><a:txBody><a:p><a:r><a:t>{words}</a:t></a:r></a:p></a:txBody></a:tc>"

    grid = (
        "<p:graphicFrame><a:graphic><a:graphicData><a:tbl>"
        f"<a:tr>{cell('A', 'gridSpan=' + repr('2'))}{cell('', 'hMerge=' + repr('1'))}</a:tr>"
        f"<a:tr>{cell('1')}{cell('2')}</a:tr><a:tr>{cell('', 'vMerge=' + repr('1'))}{cell('3')}</a:tr>"
        "</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    notes = f"<p:notes xmlns:p='{P}' xmlns:a='{A}'><p:cSld><p:spTree>{shape('Say this.', 0, role='body')}</p:spTree></p:cSld></p:notes>"
    relations = f"<Relationships xmlns='{RELATIONS}'><Relationship Id='n' Type='{R}/notesSlide' Target='../notesSlides/n.xml'/></Relationships>"
    data = slides_of(
        make_zip, grid, extra={"ppt/slides/_rels/slide0.xml.rels": relations, "ppt/notesSlides/n.xml": notes}
    )
    assert [part.text for part in read_slides(data).parts] == [
        "| A | A |\n| --- | --- |\n| 1 | 2 |\n| 1 | 3 |",
        "Notes: Say this.",
    ]


def test_a_broken_slide_is_reported_and_the_rest_read(make_zip: MakeZip) -> None:
    data = slides_of(make_zip, shape("one", 0), shape("two", 0), extra={"ppt/slides/slide0.xml": "<broken"})
    reading = read_slides(data)
    assert [part.text for part in reading.parts] == ["two"]
    assert "slide 1 is damaged" in reading.warnings[0]


def test_no_document_type_in_slides(make_zip: MakeZip) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><x/>'
    with pytest.raises(Unreadable, match="document type"):
        read_slides(slides_of(make_zip, extra={"ppt/presentation.xml": bomb}))

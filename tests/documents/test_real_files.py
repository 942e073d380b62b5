"""Every one of the real files in `docs/`: what must come out of it, or why it is refused.

Expected texts were read off the files as a viewer shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trivium.documents import Loaded, Loader
from trivium.errors import DocumentError
from trivium.types import Document


@dataclass(frozen=True)
class Row:
    """What must come out of a file. `order` are texts that must stand in this order, one after the other."""

    file: str
    order: tuple[str, ...] = ()
    refused: str = ""
    pages: int = 0
    on_page: dict[int, str] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    tables: int = 0
    codes: int = 0
    title: str = ""
    author: str = ""
    created: str = ""
    language: str = ""
    warning: str = ""
    absent: tuple[str, ...] = ()


ROWS = [
    Row(
        "FewCLUE__姜汁可乐技术方案.pdf",
        (
            "北京邮电大学",
            "探索小样本学习最佳模型和中文上的实践。评测包括单、双句分类和阅读理解等多个任务。",
            "| CSLDCP | 536 | 536 | 1784 | 67 | LongTextClassify | AcademicCNKI |",
            "利用公开的蕴含任务的数据集",
        ),
        pages=15,
        on_page={5: "赛道：模型限制赛道，不能ensemble", 4: "gpt 3 : 在zero-shot下取得不错的结果"},
        headings=("赛题介绍", "数据集"),
        tables=5,
        author="优品PPT",
        created="2021-07-05T19:47:24+08:00",
        language="zh",
    ),
    Row(
        "FewCLUE__皮皮虾技术方案.pptx",
        (
            "整体方案",
            "传统的文本增强策略有增、删、改、回译以及文本生成等方法",
            "内部max是为了找到最有效的扰动，使模型出错(攻击)",
            "引入稀疏交叉熵，防止模型过度拟合训练集样本",
            "Notes: 假设没有数据增强，则没有效果",
            "汇报结束，谢谢观看",
        ),
        pages=8,
        on_page={4: "对抗训练是一种引入噪声的训练方式", 5: "Notes: 假设没有数据增强"},
        headings=("创新点-对抗训练", "其它方法-半监督方法"),
        author="nickeyff",
        created="2014-11-26T04:04:00Z",
        language="zh",
    ),
    Row(
        "GoMate__16400599.pdf",  # its fonts name glyphs C67, C117, …; no table to Unicode
        (
            "Cultural and Immunological Detection Methods for Salmonella spp. in Animal Feeds",
            "Food-borne salmonellosis continues to be a major public health concern",
            "Most strains are motile with peritrichous flagella",
            "modified semisolid",
        ),
        pages=11,
        created="2006-01-05",
        language="en",
        warning="names of their glyphs",
    ),
    Row(
        "GoMate__bm25算法.md",
        (
            "Okapi BM25，一般简称 BM25 算法，在 20 世纪 70 年代到 80 年代",
            "$K=k_1(1-b+b\\frac{dl}{avgdl})$",
        ),
        headings=("BM25算法以及变种算法简介", "BM25 详解", "BM25L", "小结"),
        title="BM25算法以及变种算法简介",
        language="zh",
    ),
    Row(
        "GoMate__制度汇编.txt",
        ("中国科学院章程", "（中国科学院党组会议修订，2019年7月25日通过）", "# 第一章 总则", "## 第二章 领导体制"),
        headings=("第一章 总则", "第二章 领导体制", "第八章 附则"),
        language="zh",
    ),
    Row(
        "Langchain-Chatchat__langchain-ChatGLM_closed.csv",
        (
            "| | title | file | url | detail | id |",
            "| 0 | 加油~以及一些建议 | 2023-03-31.0002 |",
            "当前的运行环境是什么，windows还是Linux，python是什么版本？",
        ),
        tables=1,
        language="zh",
    ),
    Row(
        "Langchain-Chatchat__langchain-ChatGLM_open.xlsx",
        ("| | title | file | url | detail | id |", "| 0 | 效果如何优化 | 2023-04-04.00 |", "把.cuda()去掉就行"),
        headings=("Sheet1",),
        tables=1,
        created="2023-06-19",
        language="zh",
    ),
    Row(
        "Langchain-Chatchat__ocr_test.docx",
        ("我是文字", "| 我是表格1 | 我是表格2 |", "| 我是表格3 | 我是表格4 |"),
        pages=1,
        tables=1,
        author="xiechuangjian",
        language="zh",
    ),
    Row(
        "Langchain-Chatchat__test.txt",
        ("ChatGPT是OpenAI开发的一个大型语言模型", "我很高兴欢迎您阅读我的最新书籍"),
        headings=("如何向 ChatGPT 提问以获得高质量答案：提示技巧工程完全指南", "介绍"),
        language="zh",
    ),
    Row(
        "chardet___chromium_gb18030_with_no_encoding_specified.html.xml",  # HTML, GB18030, undeclared
        (
            "中国制造的领军者3名",
            "马兴瑞，中国航天科技集团公司总经理",
            "由韩三平领导的中影团队使中国电影开始进入成熟的大片时代",
        ),
        title="中国制造的领军者3名",
        language="zh",
        absent=("<html", "\ufffd"),
    ),
    Row(
        "chardet__cnblog.org.xml",  # declares GB2312, is GB18030
        ("一个能让Symbian Series 60 的移动设备发布Blog的工具",),
        title="CNBlog:Blog On Blog",
        headings=("CNBlog:Blog On Blog",),
        language="zh",
        absent=("<br", "\ufffd"),
    ),
    Row(
        "chardet__coolloud.org.tw.xml",  # Big5, not well-formed
        ("苦勞網", "文建會硬不起來", "成功阻擋了12/26法院的點交程序"),
        title="苦勞網",
        language="zh",
        absent=("<title",),
    ),
    Row(
        "docling__README.md",
        ("Docling simplifies document processing by parsing diverse formats", "pip install docling", "MIT"),
        headings=("Docling", "What is Docling ?", "Features", "Quickstart"),
        codes=5,
        title="Docling",
        language="en",
        absent=("img.shields.io", "<p align"),
    ),
    Row(
        "docling__eml_with_attachment.eml",
        (
            "Subject: Email with Attachment",
            "From: Alice Example <alice@example.com>",
            "To: Bob Example <bob@example.com>",
            "This email contains an attachment.",
            "Best regards,\nAlice",
            "## Attachment: test.txt",
            "This is a test attachment file.",
        ),
        headings=("Email with Attachment", "Attachment: test.txt"),
        title="Email with Attachment",
        author="Alice Example <alice@example.com>",
        language="en",
    ),
    Row(
        "docling__multi_page.pdf",
        (
            "The Evolution of the Word Processor",
            "Patented in 1868 by Christopher Latham Sholes",
            "- IBM MT/ST (Magnetic Tape/Selectric Typewriter): Introduced in 1964, this machine combined IBM's "
            "Selectric typewriter with magnetic tape storage.",
            "- Google Docs (2006)",
        ),
        pages=5,
        on_page={2: "The Modern Era (1990s - Present)"},
        headings=(
            "The Evolution of the Word Processor",
            "The Birth of Word Processing (1960s - 1970s)",
            "A Glimpse Into the Future",
        ),
        title="The Evolution of the Word Processor",
        created="2025-01-24T13:59:15",
        language="en",
    ),
    Row(
        "docling__word_tables.docx",
        (
            "Test with tables",
            "A uniform table",
            "| Header 0.0 | Header 0.1 | Header 0.2 |",
            "| Cell 1.0 | Merged Cell 1.1 1.2 | Merged Cell 1.1 1.2 |",
            "A non-uniform table with vertical spans",
            "| Cell 4.0 | Merged Cell 3.1 4.1 | Cell 4.2 |",
            "Cell 8.4",
        ),
        pages=1,
        headings=("Test with tables",),
        tables=7,
        title="Test with tables",
    ),
    Row(
        "markitdown__MEDRPT-2024-PAT-3847_medical_report_scan.pdf",
        refused="has no text layer: its 3 pages are pictures",
    ),
    Row(
        "markitdown__REPAIR-2022-INV-001_multipage.pdf",  # a form whose file writes the head last
        (
            "# ZAVA AUTO REPAIR",
            "123 Main Street, Redmond, WA 98052",
            "Preliminary Estimate (ID: EST-1008)",
            "Customer Information",
            "Gabriel Diaz",
            "Grand Cherokee",
            "Repair Order #",
            "Estimate Totals",
            "Hours | Rate | Cost |",
            "| Body Labor | | 2 | 150 | 300 |",
            "| Sales Tax | | | 10.20% | 278.46 |",
            "GRAND TOTAL",
            "5,738",
            "Minor rear bumper repair",
            "This is a preliminary estimate for the visible damage",
            "Bruce Wayne",
            "batman@wayneindustries.com",
            "211,522",
        ),
        pages=3,
        on_page={1: "1C4RJFBG2NC123456", 2: "Bruce Wayne"},
        author="Miti Joshi",
        created="2025-11-25T12:24:09-05:00",
        language="en",
    ),
    Row(
        "markitdown__test.docx",
        (
            "AutoGen is an open-source framework that allows developers to build LLM applications",
            "provide validation (Wu et al., 2023).",
            "d666f1f7-46cb-42bd-9a39-9a39cf2a509f",
            "| 13 | 14 | 49e168b7-d2ae-407f-a055-2167576f39a1 | 15 | 16 | 17 |",
        ),
        pages=2,
        on_page={1: "Introduction", 2: "Here is a random table"},
        headings=("Abstract", "Introduction"),
        tables=1,
        title="AutoGen: Enabling Next-Gen LLM Applications via Multi-Agent Conversation",
        author="Adam Fourney",
        created="2024-03-15T05:45:00Z",
        language="en",
    ),
    Row(
        "markitdown__test.pptx",
        (
            "AutoGen: Enabling Next-Gen LLM Applications",
            "2cdda5c8-e50e-4db4-b5f0-9722a649f455",
            "The first page of the AutoGen ArXiv paper.",
            "04191ea8-5c73-4215-a1d3-1cfb43aaaf12",
            "| 7 | 8 | 9 | 1b92870d-e3b5-4e65-8153-919f4ff45592 | 11 | 12 |",
            "A chart to test parsing",
            "a3f6004b-6f4f-4ea8-bee3-3741f4dc385f",
            "2003",
            "This is a nested shape",
            "These Test Strings are in the Image!",
        ),
        pages=6,
        on_page={3: "A table to test parsing:", 4: "Series 1"},
        headings=("A table to test parsing:", "A Nested Shape parsing"),
        tables=2,
        author="Adam Fourney",
        created="2024-03-15T05:57:54Z",
        language="en",
    ),
    Row(
        "markitdown__test.xls",
        (
            "## Sheet1",
            "| Alpha | Beta | Gamma | Delta |",
            "| 89 | 82 | 100 | 12 |",
            "6ff4173b-42a5-4784-9b19-f49caff4d93d",
            "09060124-b5e7-4717-9d07-3c046eb",
            "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0",
        ),
        headings=("Sheet1", "09060124-b5e7-4717-9d07-3c046eb"),
        tables=2,
    ),
    Row(
        "markitdown__test.xlsx",
        (
            "## Sheet1",
            "| Alpha | Beta | Gamma | Delta |",
            "| 58 | 6ff4173b-42a5-4784-9b19-f49caff4d93d | 22 | 9 |",
            "| ColA | ColB | ColC | ColD |",
            "| 13 | 14 | 15 | affc7dad-52dc-4b98-9b5d-51e65d8a8ad0 |",
        ),
        headings=("Sheet1", "09060124-b5e7-4717-9d07-3c046eb"),
        tables=2,
        author="Adam Fourney",
    ),
    Row(
        "markitdown__test_mskanji.csv",  # Shift-JIS
        ("| 名前 | 年齢 | 住所 |", "| 佐藤太郎 | 30 | 東京 |", "| 髙橋淳 | 35 | 名古屋 |"),
        tables=1,
    ),
    Row(
        "markitdown__test_wikipedia.html",
        (
            "# Microsoft",
            "| ISIN | US5949181045 |",
            "headquartered in Redmond, Washington",
            "It rose to dominate the personal computer operating system market",
            "## History",
            "| United States | 106.7 | 50.4% |",
        ),
        headings=("Microsoft", "History", "Security challenges", "Philanthropy"),
        title="Microsoft - Wikipedia",
        language="en",
        absent=("Jump to content", "Беларуская", "Hidden categories", "mw-parser", "{display"),
    ),
    Row(
        "pdf.js__XiaoBiaoSong.pdf",  # spread Chinese, its font not embedded
        ("关于红军作战的原则", "（一九三七年八月一日", "对国防问题的意见", "关于在山西开展游击战争的意见"),
        pages=1,
        language="zh",
    ),
    Row("pdf.js__scan-bad.pdf", ("pdf.js",), pages=1, created="2011-12-02T17:21:39-06:00"),
    Row(
        "pdf.js__tracemonkey.pdf",  # two columns
        (
            "Andreas Gal",
            "Dynamic languages such as JavaScript are more difficult to compile than statically typed ones.",
            "1. Introduction",
            "This means that the compiler can no longer easily transform operations into machine instructions",
            "3.1 Traces",
            "| 3d-cube | 25 | 27 | 29 | 3 | 0 | 1.1 | 1.1 | 1.2 | 2.20x |",
            "8. Related Work",
            "References",
        ),
        pages=14,
        on_page={1: "General Terms", 12: "crypto-sha1"},
        headings=("Abstract", "1. Introduction", "3.2 Trace Trees", "10. Future Work", "References"),
        title="Trace-based Just-in-Time Type Specialization for Dynamic Languages",
        created="2009-04-01T16:39:25-07:00",
        language="en",
        absent=("\ufffe", "com- pile"),
    ),
    Row("pdfminer.six__aes-256.pdf", refused="encrypted"),
    Row(
        "pdfminer.six__jo.pdf",  # vertical, from the right to the left, its font not embedded
        (
            "わたくしといふ現象は",
            "假定された有機交流電燈の",
            "（あらゆる透明な幽霊の複合体）",
            "宇宙塵をたべ、または空気や塩水を呼吸しながら",
            "みんなのおのおののなかのすべてですから）",
            "けれどもこれら新世代沖積世の",
            "（あるひは修羅の十億年）",
            "青ぞらいっぱいの無色な孔雀が居たとおもひ",
            "第四次延長のなかで主張されます",
            "宮澤賢治",
        ),
        pages=1,
        created="2004-10-26T18:10:09",
        language="ja",
    ),
    Row(
        "pdfminer.six__zen_of_python_corrupted.pdf",  # broken cross references, a turned page
        (
            "Beautiful is better than ugly.",
            "Simple is better than complex.",
            "Readability counts.",
            "Although never is often better than *right* now.",
            "Namespaces are one honking great idea",
        ),
        pages=1,
        title="zen_of_python.txt",
        created="2018-05-30T13:31:07+02:00",
        language="en",
    ),
    Row("pdfplumber__empty.pdf", refused="it is empty (0 bytes)"),
    Row(
        "pypdf__Seige_of_Vicksburg_Sample_OCR.pdf",  # the text layer is another program's OCR, errors included
        (
            "however, did not last long; it became too conspicuous and dangerous for use.",
            "we must improve our quarters",
            "buried itself in tie earth, and exploded",
        ),
        pages=6,
        on_page={1: "JUNE 11TH", 2: "96th Ohio"},
        author="DSI",
        language="en",
    ),
    Row(
        "pypdf__multilang.pdf",
        ("Hello World", "مرحبا بالعالم", "Привет, мир", "你好世界", "สวัสดีชาวโลก", "こんにちは世界"),
        pages=1,
        created="2022-06-06T14:39:33+02:00",
    ),
    Row("pypdf__r6-user-password.pdf", refused="encrypted"),
    Row("sample-files__habibi.pdf", ("habibi", "حَبيبي"), pages=1, title="habibi", language="ar", absent=("Β",)),
    Row(
        "sample-files__multicolumn.pdf",
        (
            "This is a sample document with two columns filled with Lorem Ipsum text.",
            "consectetuer adipiscing elit. Ut purus elit",
            "Nulla malesuada porttitor diam.",
            "| Country | Population (millions) | Area (km2) | Capital | Official Language |",
            "| Belgium | 11.5 | 30,689 | Brussels | Dutch, French, German |",
        ),
        pages=3,
        headings=("Abstract",),
        tables=1,
        title="Two-Column Document with Lorem Ipsum",
        created="2024-01-03T09:38:26+01:00",
    ),
    Row(
        "tika__testHTMLNoisyMetaEncoding_1.html",  # ISO 8859-6, declared in the midst of noise
        ("وأعرب الاتحاد الجزائري", "والضرر الكبير الناجم عن ذلك"),
        language="ar",
        absent=("Font Definitions", "\ufffd"),
    ),
    Row(
        "unstructured__fake-html-cp1252.html",
        (
            "# My First Heading",
            "My first paragraph.",
            "Die schöne Frau hat einen Kaffee mit Kuchen gegessen.",
            "L'été était très chaud cette année.",
            "O João comprou um café por 2,50 €.",
        ),
        headings=("My First Heading",),
        codes=1,
    ),
    Row(
        "unstructured__stanley-cups-utf-16.csv",  # UTF-16 without a mark
        ("Stanley Cups", "| Team | Location | Stanley Cups |", "| Blues | STL | 1 |", "| Maple Leafs | TOR | 13 |"),
        tables=1,
    ),
    Row(
        "unstructured__winter-sports.epub",
        (
            "The Project Gutenberg eBook of Winter Sports in Switzerland",
            "| II. | Rinks and Skaters | 23 |",
            "CHAPTER I THE SUN-SEEKER",
            "CHAPTER III TEES AND CRAMPITS",
            "CHAPTER VIII FOR PARENTS AND GUARDIANS",
        ),
        headings=("CHAPTER I THE SUN-SEEKER", "CHAPTER VI SKI-ING"),
        title="Winter Sports in Switzerland",
        author="E. F. Benson",
        created="2019-08-23",
        language="en",
        absent=("<p", "](", "encoding="),
    ),
]


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader(ocr="never") as loader:
        yield loader


def test_every_file_has_its_row(shared_data: Path) -> None:
    names = sorted(path.name for path in (shared_data / "docs").iterdir())
    assert sorted(row.file for row in ROWS) == names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_real_file(row: Row, loader: Loader, shared_data: Path) -> None:
    path = shared_data / "docs" / row.file
    if row.refused:
        with pytest.raises(DocumentError) as refusal:
            loader.load(path, source=row.file)
        assert refusal.value.source == row.file
        assert row.refused in refusal.value.reason
        assert "\n" not in refusal.value.reason
        return
    loaded = loader.load(path, source=row.file)
    _check_places(loaded)
    _check_text(row, loaded.document)
    _check_properties(row, loaded.document)


def _check_places(loaded: Loaded) -> None:
    """Pages cover the text; headings, blocks and their spans are where they say."""
    document = loaded.document
    at = 0
    for page in document.pages:
        assert page.start == at
        at = page.end
    assert at in (0, len(document.text))
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == f"{'#' * heading.level} {heading.title}"
    for block in document.blocks:
        assert document.text[block.start : block.end].strip()
    assert document.bytes == loaded.size
    assert len(loaded.sha256) == 64
    assert not any(ord(character) < 32 and character not in "\n\t" for character in document.text)


def _check_text(row: Row, document: Document) -> None:
    at = 0
    for text in row.order:
        found = document.text.find(text, at)
        assert found >= 0, f"{text!r} is not in the text after {document.text[max(0, at - 80) : at]!r}"
        at = found + len(text)
    for text in row.absent:
        assert text not in document.text
    assert len(document.pages) == row.pages
    for number, text in row.on_page.items():
        page = document.pages[number - 1]
        assert page.number == number
        assert text in document.text[page.start : page.end]


def _check_properties(row: Row, document: Document) -> None:
    titles = [heading.title for heading in document.headings]
    for heading in row.headings:
        assert heading in titles
    tables = sum(block.kind == "table" for block in document.blocks)
    codes = sum(block.kind == "code" for block in document.blocks)
    if row.tables or row.codes:
        assert (tables, codes) == (row.tables, row.codes)
    assert row.title in document.title
    assert row.author in document.author
    assert document.created.startswith(row.created)
    assert not row.language or document.language == row.language
    assert any(row.warning in warning for warning in document.warnings) if row.warning else True

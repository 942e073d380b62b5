"""HTML as Markdown parts: what a reader of the page came for, without menus, scripts and link targets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from trivium.documents.parts import Part, Reading
from trivium.documents.readers.web_tables import OpenTable, grid, in_cell, span
from trivium.documents.structure import table, without_comments

CHARSET = re.compile(rb"""<meta\b[^>]{0,400}?\bcharset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_UNSEEN = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "select",
        "textarea",
        "button",
        "head",
    ]
)
_MENU_TAGS = frozenset({"nav"})
_MENU_ROLES = frozenset({"navigation", "menu", "menubar", "search", "banner", "contentinfo"})
_MENU_CLASS = re.compile(
    r"(?:^|\s)(?:nav|navbar|navbox|navigation|menu|breadcrumbs?|noprint|no-print|skip-link|mw-jump-link|mw-editsection"
    r"|mw-portlet|vector-dropdown|vector-toc|vector-page-toolbar|cookie-banner|sidebar|catlinks|printfooter)(?:-\w[\w-]*)?(?:\s|$)",
    re.I,
)
_NOTE_MARKS = frozenset({"reference", "mw-cite-backlink"})
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "nav",
        "ol",
        "optgroup",
        "option",
        "p",
        "section",
        "summary",
        "title",
        "ul",
        "tr",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "td",
        "th",
    ]
)
_CELLS = frozenset({"td", "th"})
_MAIN_SHARE = 0.4
_ALT_WORDS = 3


def read_html(text: str, *, fragment: bool = False) -> Reading:
    """Read a page. A `fragment` (the chapter of a book, a mail's body) has no menus to look for.

    Where the page names its main part, only that is read, unless it is a small part of the page.
    """
    # The parser takes time square to the length over comments and tags that do not end.
    text = without_comments(text)
    last = text.rfind(">") + 1
    text = text[:last] + text[last:].replace("<", "&lt;")
    page = _Page(menus=not fragment)
    page.feed(text)
    page.close()
    if not fragment and len(page.visible()) < 200:
        # Broken markup may leave a menu open to the end of the page.
        everything = _Page(menus=False)
        everything.feed(text)
        everything.close()
        if len(everything.visible()) > 10 * len(page.visible()):
            page = everything
    meta = page.meta
    parts = page.main_parts()
    title = " ".join(page.title.split()) or next((part.text for part in parts if part.kind == "heading"), "")
    return Reading(
        parts,
        title=title,
        author=meta.get("author", "") or meta.get("article:author", ""),
        created=meta.get("article:published_time", "") or meta.get("date", "") or meta.get("dc.date", ""),
        modified=meta.get("article:modified_time", "") or meta.get("last-modified", ""),
        language=page.language,
    )


@dataclass(slots=True)
class _List:
    """A list while it is open."""

    ordered: bool
    items: int = 0


class _Page(HTMLParser):
    """Walks over the tags once and collects parts."""

    def __init__(self, *, menus: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.menus = menus
        self.parts: list[tuple[Part, bool]] = []
        self.meta: dict[str, str] = {}
        self.title = ""
        self.language = ""
        self._words: list[str] = []
        self._skip: list[str] = []  # open tags from the unseen one on
        self._lists: list[_List] = []
        self._marker = ""
        self._tight = False
        self._level = 0
        self._pre: list[str] | None = None
        self._tables: list[OpenTable] = []
        self._main = 0
        self._in_title = False
        self._code_language = ""

    # What the parser calls

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta":
            self._note_meta(values)
        if self._skip:
            self._skip_start(tag)
            return
        if tag == "title":
            self._in_title = not self.title
        elif tag == "html":
            self.language = values.get("lang", "") or values.get("xml:lang", "")
        if self._is_unseen(tag, values):
            if tag not in _VOID:
                self._skip.append(tag)
            return
        if tag in _BLOCKS:
            self._flush()
        self._open(tag, values)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skip:
            self._skip_end(tag)
            return
        if tag == "title":
            self._in_title = False
        if tag in _BLOCKS:
            self._flush()
        self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif self._skip:
            return
        elif self._pre is not None:
            self._pre.append(data)
        else:
            # As a browser does; and a line break in the source between two Chinese characters leaves no space.
            self._words.append(_SPACE.sub(" ", _WIDE_BREAK.sub("", data)))

    def close(self) -> None:
        super().close()
        self._flush()
        while self._tables:
            self._end_table()
        if self._pre is not None:
            self._end_pre()

    # What is not seen

    def _is_unseen(self, tag: str, values: dict[str, str]) -> bool:
        if tag in _UNSEEN and tag != "head":
            return True
        if "hidden" in values and values["hidden"] != "until-found":
            return True
        style = values.get("style", "")
        if "none" in style and re.search(r"display\s*:\s*none", style, re.I):
            return True
        if not self.menus or tag in ("html", "body", "main"):
            return False
        if tag in _MENU_TAGS or values.get("role", "").lower() in _MENU_ROLES:
            return True
        classes = values.get("class", "")
        return bool(_MENU_CLASS.search(classes)) or not _NOTE_MARKS.isdisjoint(classes.split())

    def _skip_start(self, tag: str) -> None:
        """Follow the tags inside what is not seen; those with optional ends only when they match the outermost."""
        if tag not in _VOID and (
            tag == self._skip[0] or tag not in ("p", "li", "dt", "dd", "tr", "td", "th", "option")
        ):
            self._skip.append(tag)
        if tag == "title" and self._skip == ["head", "title"]:
            self._in_title = True

    def _skip_end(self, tag: str) -> None:
        self._in_title = False
        if tag in self._skip:
            while self._skip.pop() != tag:
                pass
        elif tag in ("body", "html"):
            self._skip.clear()

    def _note_meta(self, values: dict[str, str]) -> None:
        name = (values.get("name") or values.get("property") or values.get("http-equiv", "")).lower()
        if name and values.get("content"):
            self.meta.setdefault(name, " ".join(values["content"].split()))

    # Tags

    def _open(self, tag: str, values: dict[str, str]) -> None:
        if tag == "main" or values.get("role", "").lower() == "main":
            self._main += 1
        if tag == "br":
            self._words.append("\n") if self._pre is None else self._pre.append("\n")
        elif tag == "img" and len(values.get("alt", "").split()) >= _ALT_WORDS:
            self._words.append(f" [{' '.join(values['alt'].split())}] ")
        elif tag in ("code", "kbd", "samp", "tt") and self._pre is None:
            self._words.append("`")
        elif tag == "code" and self._pre is not None:
            self._note_language(values)
        elif tag in ("ul", "ol", "menu", "dir"):
            self._lists.append(_List(tag == "ol"))
        elif tag == "li":
            self._item()
        elif tag == "pre":
            self._pre = []
            self._note_language(values)
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._level = int(tag[1])
        elif tag == "table":
            self._start_table(values)
        elif tag == "tr" and self._tables:
            self._end_cell()
            self._tables[-1].rows.append([])
        elif tag in _CELLS and self._tables:
            self._start_cell(tag, values)

    def _close(self, tag: str) -> None:
        if tag == "main":
            self._main = max(0, self._main - 1)
        if tag in ("code", "kbd", "samp", "tt") and self._pre is None:
            self._words.append("`")
        elif tag in ("ul", "ol", "menu", "dir") and self._lists:
            self._lists.pop()
        elif tag == "li":
            self._marker = ""
        elif tag == "pre" and self._pre is not None:
            self._end_pre()
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._level = 0
        elif tag in _CELLS and self._tables:
            self._end_cell()
        elif tag == "table" and self._tables:
            self._end_table()

    def _note_language(self, values: dict[str, str]) -> None:
        found = re.search(r"(?:lang(?:uage)?|highlight(?:-source)?)-([\w+#-]+)", values.get("class", ""))
        self._code_language = found.group(1) if found else self._code_language

    def _item(self) -> None:
        self._marker = "- "
        self._tight = False
        if self._lists:
            current = self._lists[-1]
            current.items += 1
            indent = "  " * min(len(self._lists) - 1, 6)
            self._marker = f"{indent}{current.items}. " if current.ordered else f"{indent}- "
            self._tight = current.items > 1 or len(self._lists) > 1

    # Parts

    def _emit(self, part: Part) -> None:
        current = self._tables[-1] if self._tables else None
        if current is not None and current.cell is not None and not current.nested:
            current.cell.append(part)
        else:
            self.parts.append((part, self._main > 0))

    def _flush(self) -> None:
        """End the paragraph, heading or list item that is open."""
        if not self._words or self._pre is not None:
            return
        text = _collapse("".join(self._words))
        self._words = []
        if not text.strip("` "):
            return
        if self._level:
            self._emit(Part(text.replace("\n", " ").replace("`", ""), "heading", self._level))
        elif self._marker or self._lists:
            # A second paragraph inside an item is indented under it.
            indent = "  " * len(self._lists)
            text = text.replace("\n", "\n" + indent)
            self._emit(Part((self._marker or indent) + text, glue="\n" if self._tight and self._marker else "\n\n"))
            self._marker = ""
        else:
            self._emit(Part(text))

    def _end_pre(self) -> None:
        text = "".join(self._pre or ()).strip("\n")
        self._pre = None
        if text.strip():
            self._emit(Part(f"```{self._code_language}\n{text}\n```", "code"))
        self._code_language = ""

    # Tables

    def _start_table(self, values: dict[str, str]) -> None:
        # A table around another is layout: what it held so far, and all that it will hold, is the page's own text.
        for outer in self._tables:
            if not outer.nested:
                outer.nested = True
                held = [Part(text) for row in outer.rows for text, _, _ in row if text]
                self.parts.extend((part, self._main > 0) for part in [*held, *(outer.cell or [])])
                outer.rows = []
        self._tables.append(OpenTable(presentation=values.get("role") in ("presentation", "none")))

    def _start_cell(self, tag: str, values: dict[str, str]) -> None:
        self._end_cell()
        current = self._tables[-1]
        if not current.rows:
            current.rows.append([])
        current.heads += tag == "th"
        current.cell = []
        current.spans = (span(values.get("rowspan", "")), span(values.get("colspan", "")))

    def _end_cell(self) -> None:
        self._flush()
        current = self._tables[-1]
        if current.cell is None:
            return
        parts, current.cell = current.cell, None
        if current.nested:
            return
        if not current.rows:
            current.rows.append([])
        current.rows[-1].append((in_cell(parts), *current.spans))

    def _end_table(self) -> None:
        self._end_cell()
        current = self._tables.pop()
        rows = grid(current.rows)
        if not rows:
            return
        filled = max(sum(1 for cell in row if cell) for row in rows)
        if current.presentation or current.nested or filled < 2 or (len(rows) < 2 and not current.heads):
            for row in current.rows:
                for text, _, _ in row:
                    if text:
                        self._emit(Part(text))
        else:
            self._emit(Part(table(rows), "table"))

    # Results

    def visible(self) -> str:
        """Return all text found so far."""
        return "".join(part.text for part, _ in self.parts)

    def main_parts(self) -> Sequence[Part]:
        """Return the parts of the page's main element where it holds a good share of the text."""
        main = [part for part, inside in self.parts if inside]
        share = sum(len(part.text) for part in main) / max(1, len(self.visible()))
        return main if share >= _MAIN_SHARE else [part for part, _ in self.parts]


_SPACE = re.compile(r"[ \t\r\n\f]+")
_WIDE_BREAK = re.compile(
    r"(?<=[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef])[ \t]*\r?\n[ \t\r\n]*(?=[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef])"
)


def _collapse(text: str) -> str:
    """Strip the lines of a paragraph; its line breaks are those of `br`, for white space was collapsed before."""
    return "\n".join(_SPACE.sub(" ", line).strip() for line in text.split("\n")).strip()

"""What every page of Trivium has around its parts: one file that opens offline, with styles and script inside it.

The page's content policy lets nothing be loaded from anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TextIO

from trivium.errors import StoreFull


def asset(name: str) -> str:
    """Return a file of `data/report`: a style sheet or a script."""
    return files("trivium").joinpath("data", "report", name).read_text("utf-8")


def opening(title: str, heading: str, links: Sequence[tuple[str, str]]) -> str:
    """Return a page up to the beginning of its parts.

    Args:
        title: of the browser's window, as plain text.
        heading: the HTML at the top.
        links: (anchor, plain words) of the parts.
    """
    anchors = "".join(f"<a href='#{name}'>{escape(words)}</a>" for name, words in links)
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{asset('style.css')}</style>\n</head>\n<body>\n"
        f"<header><div class='inner'>{heading}</div></header>\n"
        f"<nav><div class='inner'>{anchors}<span class='fill-gap'></span>"
        "<button id='theme' type='button' title='Light or dark'>◐</button></div></nav>\n<main>\n"
    )


def closing(script: str) -> str:
    """Return the end of a page, after `</main>` and its data: the script of that name."""
    return f"<script>\n{asset(script)}</script>\n</body>\n</html>\n"


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """Open a page for writing; it takes the place of an earlier one when it is whole.

    Raises:
        StoreFull: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace", newline="\n") as page:
            yield page
        os.replace(temporary, path)
    except OSError as error:
        raise StoreFull(f"{path} cannot be written: {error.strerror or error}.", "Free some space.") from error

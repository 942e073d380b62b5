"""Find a file in a Python package index: the simple repository API, as HTML (PEP 503) or JSON (PEP 691).

The index is the one that pip or uv would use here. Only named projects are looked up.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import httpx

DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def index_urls() -> list[str]:
    """Return the indexes to ask, in order: uv's and pip's environment, pip's configuration, else PyPI."""
    env, config = os.environ, _pip_config()
    first = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or env.get("PIP_INDEX_URL") or config["index-url"]
    more = " ".join(
        (
            env.get("UV_INDEX", ""),
            env.get("UV_EXTRA_INDEX_URL", ""),
            env.get("PIP_EXTRA_INDEX_URL") or config["extra-index-url"],
        )
    )
    # uv writes an index as name=url.
    urls = [re.sub(r"^[\w.-]+=(?=https?:)", "", url).rstrip("/") for url in [first or DEFAULT_INDEX, *more.split()]]
    return list(dict.fromkeys(url for url in urls if url.startswith(("http://", "https://"))))


def find_file(client: httpx.Client, index: str, project: str, file: str) -> str | None:
    """Return the URL of a project's file, or None where the index does not hold it.

    Raises:
        httpx.HTTPError: the index could not be reached, or answered with an error other than 404.
    """
    name = re.sub(r"[-_.]+", "-", project).lower()
    response = client.get(f"{index}/{name}/", headers={"Accept": _ACCEPT})
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    response.raise_for_status()
    links = _json_links(response) if "json" in response.headers.get("Content-Type", "") else _html_links(response)
    link = links.get(file)
    return _join(response.url, link) if link else None


def _json_links(response: httpx.Response) -> dict[str, str]:
    try:
        return {row["filename"]: row["url"] for row in response.json()["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise httpx.DecodingError(f"not a package index: {error!r}", request=response.request) from error


def _html_links(response: httpx.Response) -> dict[str, str]:
    page = _Anchors()
    page.feed(response.text)
    return page.links


def _join(page: httpx.URL, link: str) -> str:
    url = page.join(link.split("#")[0])
    # A private index takes the same user and password for its files.
    if page.userinfo and not url.userinfo and url.host == page.host:
        url = url.copy_with(username=page.username, password=page.password)
    return str(url)


class _Anchors(HTMLParser):
    """Collects text -> href of the page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href = dict(attrs).get("href") or ""

    def handle_data(self, data: str) -> None:
        if self._href and data.strip():
            self.links[data.strip()] = self._href
            self._href = ""


def _pip_config() -> dict[str, str]:
    """Return the index settings of pip's configuration files; a later file wins, as in pip."""
    found = {"index-url": "", "extra-index-url": ""}
    for path in _pip_config_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will complain about it; the default index still works
        for section in ("global", "download"):
            for key in found:
                found[key] = parser.get(section, key, fallback=found[key])
    return found


def _pip_config_files() -> list[Path]:
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if sys.platform == "win32":
        config = Path(os.environ.get("APPDATA") or Path.home())
    files = [Path("/etc/pip.conf"), Path.home() / ".pip" / "pip.conf"]
    files += [config / "pip" / "pip.conf", config / "pip" / "pip.ini", Path(sys.prefix) / "pip.conf"]
    return files + ([Path(chosen)] if chosen else [])

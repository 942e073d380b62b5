"""Fetch one file over HTTP so that a kill, a cut line or a bad mirror costs little and harms nothing.

Bytes go to `<target>.part`; a later call continues that file with a Range request. The file takes its
name only when its size and sha256 are the expected ones.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from trivium.errors import ChecksumError
from trivium.models.disk import disk_error, sha256_of

log = logging.getLogger("trivium.models")

Progress = Callable[[str, int, int], None]
"""Called with a name, the bytes so far, and the bytes in all (0 when unknown)."""

_ATTEMPTS = 4
_PAUSE = 0.5  # seconds before the second attempt; doubled at each further one
_PARTIAL, _UNSATISFIABLE = 206, 416


def http_client() -> httpx.Client:
    """Return a client that follows redirects and trusts the certificates that pip or curl would trust."""
    timeout = httpx.Timeout(30.0, connect=15.0)
    return httpx.Client(follow_redirects=True, timeout=timeout, verify=_tls(), headers={"User-Agent": "trivium"})


def _tls() -> ssl.SSLContext | bool:
    # httpx reads SSL_CERT_FILE and SSL_CERT_DIR itself; the other names are those of pip, requests and curl.
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return True
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = os.environ.get(name)
        if bundle and os.path.isfile(bundle):
            return ssl.create_default_context(cafile=bundle)
    return True


def download(
    client: httpx.Client,
    url: str,
    target: Path,
    *,
    name: str,
    bytes: int = 0,
    sha256: str = "",
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Fetch `url` into `target`, continuing an earlier attempt, and check it.

    Args:
        name: what the progress and the messages call this file.
        bytes: the expected size; 0 when unknown.
        sha256: the expected hash; empty when unknown (then only the size is checked).

    Raises:
        httpx.HTTPError: the server could not be reached or refused, after a few attempts.
        ChecksumError: the file is not the expected one, also when fetched from its first byte.
        ModelError: the disk is full or may not be written.
    """
    part = target.with_name(target.name + ".part")
    resumed = part.exists()
    for last in (not resumed, True):
        _fetch(client, url, part, name=name, total=bytes, headers=headers, progress=progress)
        problem = _wrong(part, bytes, sha256)
        if not problem:
            os.replace(part, target)
            return
        part.unlink()
        if last:
            break
        log.warning("%s: the part fetched earlier does not fit (%s); starting again", name, problem)
    raise ChecksumError(
        f"{name} from {redact(url)} is not the pinned file: {problem}.",
        "It was deleted. A mirror or a proxy may have changed it: try another index, or provide the file.",
    )


def redact(url: str) -> str:
    """Return the URL without a user name, password or query, fit to be shown."""
    parts = httpx.URL(url)
    return str(parts.copy_with(username=None, password=None, query=None))


def _wrong(part: Path, size: int, sha256: str) -> str:
    found = part.stat().st_size
    if size and found != size:
        return f"{found} bytes instead of {size}"
    if sha256 and (actual := sha256_of(part)) != sha256:
        return f"sha256 {actual} instead of {sha256}"
    return ""


def _fetch(
    client: httpx.Client,
    url: str,
    part: Path,
    *,
    name: str,
    total: int,
    headers: Mapping[str, str] | None,
    progress: Progress | None,
) -> None:
    """Bring `part` to its full length, with a few attempts that each continue where the last one stopped."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _stream(client, url, part, name=name, total=total, headers=headers, progress=progress)
            return
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500 or attempt == _ATTEMPTS:
                raise
            reason = f"HTTP status {error.response.status_code}"
        except httpx.TransportError as error:
            if attempt == _ATTEMPTS:
                raise
            reason = str(error) or type(error).__name__
        log.info("%s: %s; trying again", name, reason)
        time.sleep(_PAUSE * 2 ** (attempt - 1))


def _stream(
    client: httpx.Client,
    url: str,
    part: Path,
    *,
    name: str,
    total: int,
    headers: Mapping[str, str] | None,
    progress: Progress | None,
) -> None:
    done = part.stat().st_size if part.exists() else 0
    if total and done >= total:
        return  # whole, or wrong: the caller checks it
    # identity: a Range counts the bytes of the file, not those of a compressed answer.
    asked = {**(headers or {}), "Accept-Encoding": "identity"}
    if done:
        asked["Range"] = f"bytes={done}-"
    with client.stream("GET", url, headers=asked) as response:
        if response.status_code == _UNSATISFIABLE and done:
            return
        response.raise_for_status()
        continues = response.status_code == _PARTIAL and _starts_at(response, done)
        done = done if continues else 0
        total = total or done + int(response.headers.get("Content-Length", 0))
        try:
            with part.open("ab" if continues else "wb") as out:
                for block in response.iter_bytes():
                    out.write(block)
                    done += len(block)
                    if progress:
                        progress(name, done, total)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise disk_error(error, part.parent, total) from error


def _starts_at(response: httpx.Response, offset: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {offset}-")

"""Refuse compressed files that would inflate beyond bounds, before anything inflates them."""

from __future__ import annotations

import io
import zipfile
import zlib

from trivium.documents.limits import MEGABYTE, Limits
from trivium.documents.parts import Unreadable

_MAX_ENTRIES = 50_000
_HARMLESS = 10 * MEGABYTE
_BLOCK = 1 << 16


def check_archive(data: bytes, limits: Limits) -> None:
    """Check the ZIP container in `data` against `limits`, by what its directory says and by inflating it unkept.

    The directory may lie about sizes, and parsers in other languages may believe it; so each entry is inflated
    once, in blocks that are dropped, and must give the size that it claims.

    Raises:
        Unreadable: it would inflate too far, is encrypted, or is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_directory(entries, len(data), limits)
            for entry in entries:
                _check_entry(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable(f"it is damaged: {error or type(error).__name__}") from error


def _check_directory(entries: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise Unreadable(f"it holds {len(entries):,} files inside, more than {_MAX_ENTRIES:,}: a ZIP bomb?")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable("it is encrypted; save a copy without the password")
    inflated = sum(entry.file_size for entry in entries)
    allowed = min(limits.max_inflated_bytes, max(_HARMLESS, packed * limits.max_ratio))
    if inflated > allowed:
        raise Unreadable(
            f"it would inflate from {packed / 1e6:,.1f} MB to {inflated / 1e6:,.1f} MB, "
            f"and the limit is {allowed / 1e6:,.1f} MB: a ZIP bomb?"
        )


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Inflate one entry, at most one block beyond the size that the directory claims."""
    length = 0
    with archive.open(entry) as stream:
        while block := stream.read(_BLOCK):
            length += len(block)
    if length != entry.file_size:
        raise Unreadable(f"it is damaged: {entry.filename[:80]!r} is not of the size that it claims")

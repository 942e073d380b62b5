"""One form for texts that a reader would call the same: for matching, never for storing."""

from __future__ import annotations

import unicodedata


def normalise(text: str) -> str:
    """Return `text` in Unicode compatibility form (NFKC) and case-folded.

    Full-width letters and digits become ordinary ones, ligatures come apart, `Straße` equals `STRASSE`.
    The length may change, so that offsets into the result are not offsets into `text`.
    """
    if text.isascii():
        return text.lower()
    # Case-folding can undo NFKC (an iota subscript, for one), hence the second round: Unicode's toNFKC_Casefold.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def fold_marks(text: str) -> str:
    """Return `text` without the accents of its letters: `café` becomes `cafe`."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.category(c) != "Mn"))

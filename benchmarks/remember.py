"""Lets the peers' embedding libraries look up the vectors they have computed before, in a file of the cache.

Only for the quality benchmark, where nothing is timed: LlamaIndex, LangChain and Haystack all call the same version
of sentence-transformers with the same weights, and txtai's hybrid variant embeds again what its dense one did. Runs
inside the peers' environments.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from importlib import import_module
from typing import Any

_DECIDES = ("prompt", "prompt_name", "precision", "category", "truncate_dim")
"""The arguments that change a vector. Normalising does not: the model's own last module normalises."""
_BLOCK = 256  # what is lost when the run is stopped


def remember(path: str, library: str) -> None:
    """Make a library's `encode` keep its vectors in `path` and give the kept ones.

    Args:
        path: a SQLite file, made where there is none.
        library: `sentence_transformers` or `txtai`.
    """
    module, name = {
        "sentence_transformers": ("sentence_transformers", "SentenceTransformer"),
        "txtai": ("txtai.vectors.dense.huggingface", "HFVectors"),
    }[library]
    kind = getattr(import_module(module), name)
    kind.encode = _remembering(kind.encode, path, library)


def _remembering(encode: Callable[..., Any], path: str, library: str) -> Callable[..., Any]:
    import numpy as np

    kept = sqlite3.connect(path, check_same_thread=False)
    kept.execute("PRAGMA synchronous = OFF")  # a cache: what a power cut takes is computed again
    kept.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")

    def look_up(key: bytes) -> Any:
        row = kept.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], np.float32)

    def encode_or_look_up(self: Any, texts: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            return encode(self, texts, *arguments, **named)
        decides = f"{library} {arguments!r} {[(name, named.get(name)) for name in _DECIDES]}"
        keys = [hashlib.sha256(f"{decides}\0{text}".encode("utf-8", "replace")).digest() for text in texts]
        found = [look_up(key) for key in keys]
        missing = [place for place, vector in enumerate(found) if vector is None]
        for first in range(0, len(missing), _BLOCK):
            block = missing[first : first + _BLOCK]
            fresh = np.asarray(encode(self, [texts[place] for place in block], *arguments, **named), np.float32)
            for place, vector in zip(block, fresh, strict=True):
                found[place] = vector
                kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (keys[place], vector.tobytes()))
            kept.commit()
        return np.stack(found)

    return encode_or_look_up

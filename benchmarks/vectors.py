"""Vectors computed once and kept, so that a knowledge base of 100,000 chunks is built in minutes again and again."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peers import CACHE

_BLOCK = 2_000
_PROBE = "The warranty of the pump is two years from the day of delivery, three where it was registered."
_SAME = 0.9999  # cosine; the last digits depend on the number of threads


def vectors_of(texts: Sequence[str], embedder: Any) -> NDArray[np.float32]:
    """Return the embedder's vectors of the texts, shape (len(texts), dimension); kept block by block on the disk."""
    folder = _folder(embedder)
    blocks = []
    for first in range(0, len(texts), _BLOCK):
        block = texts[first : first + _BLOCK]
        key = hashlib.sha256("\0".join(block).encode("utf-8", "replace")).hexdigest()[:16]
        blocks.append(_block(folder / f"{key}.npy", block, embedder))
        print(f"\rvectors: {first + len(block)} of {len(texts)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.concatenate(blocks)


def _folder(embedder: Any) -> Path:
    """Return the folder of this embedder's vectors, emptied where the same weights no longer give the same ones."""
    folder = CACHE / "vectors" / hashlib.sha256(embedder.name.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    probe, sample = folder / "probe.npy", embedder.embed_query(_PROBE)
    if probe.exists() and float(np.load(probe) @ sample) < _SAME:
        shutil.rmtree(folder)
        folder.mkdir()
    if not probe.exists():
        np.save(probe, sample)
    return folder


def _block(path: Path, texts: Sequence[str], embedder: Any) -> NDArray[np.float32]:
    if not path.exists():
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, embedder.embed(texts))
        temporary.replace(path)
    kept: NDArray[np.float32] = np.load(path)
    return kept


class Remembered:
    """An embedder that gives kept vectors for the texts it knows and asks the real one for everything else."""

    def __init__(self, embedder: Any, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self._place = {text: place for place, text in enumerate(texts)}
        self.name: str = embedder.name
        self.dimension: int = embedder.dimension
        self.max_tokens: int = embedder.max_tokens
        self.missed = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return shape (len(texts), dimension)."""
        places = [self._place.get(text) for text in texts]
        known = [place for place in places if place is not None]
        if len(known) == len(texts):
            return self._vectors[known]
        self.missed += len(texts) - len(known)
        found: NDArray[np.float32] = self._embedder.embed(texts)
        return found

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return shape (dimension,), from the real embedder."""
        found: NDArray[np.float32] = self._embedder.embed_query(text)
        return found

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of the real embedder's tokens."""
        spans: list[tuple[int, int]] = self._embedder.token_spans(text)
        return spans

    def unknown_rate(self, text: str) -> float:
        """Return the real embedder's rate."""
        return float(self._embedder.unknown_rate(text))

"""Does one set of texts hold rows of another? The leak check that training and every comparison call.

A row leaks when it is in the other set word for word (after normalising), or nearly so. Nearness is the Jaccard
similarity of the texts' shingles: runs of four characters, of two where they are Chinese or Japanese. MinHash
signatures (Broder 1997, "On the resemblance and containment of documents") cut into bands (Leskovec, Rajaraman and
Ullman 2014, "Mining of Massive Datasets", chapter 3) find the pairs worth comparing; each is then compared exactly,
so that what is reported is never an estimate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UnknownName, UsageError
from trivium.text.normalise import normalise
from trivium.types import Example

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Signatures = NDArray[np.uint32]

WIDTH = 4
"""Characters of a shingle."""
WIDTH_HAN = 2
"""Characters of a shingle that begins with a Chinese or Japanese character."""
THRESHOLD = 0.7
"""The least similarity that is reported. A question of 60 letters with one word changed has about 0.75."""
MOST = 10
"""Rows of the other set that are reported for one row, the nearest first."""

_FUNCTIONS = 128
_MISSED = 0.001
"""The chance that a pair just at the threshold is missed."""
_BLOCK = 1 << 16
"""Characters that are hashed at once: few enough for the processor's cache."""
_PAIRS = 1 << 20
"""Pairs that are held at once."""
_COMPARED = 1 << 10
"""Pairs whose shingles are held at once."""
_BUCKET = 512
"""Rows of one band that a row is paired with: rows of one template are all near to each other, and ten are enough."""
_SPACES = re.compile(r"[\W_]+")
_HAN = re.compile("(?<=[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]) | (?=[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")


@dataclass(frozen=True, slots=True)
class Leak:
    """Row `left` of one set and row `right` of the other, counted from 0, are the same or nearly the same text.

    `similarity` is the Jaccard similarity of their shingles; `exact` says that they are equal after normalising.
    """

    left: int
    right: int
    similarity: float
    exact: bool


@dataclass(frozen=True, slots=True)
class ExampleLeak:
    """Two examples that share a text. `of` is which: a key of `TEXTS`."""

    of: str
    left: str
    right: str
    left_text: str
    right_text: str
    similarity: float
    exact: bool


TEXTS: Mapping[str, Callable[[Example], tuple[str, ...]]] = {
    "question": lambda example: (example.question,),
    "evidence": lambda example: tuple(gold.text for gold in example.evidence),
}
"""What two examples can share."""


def same(text: str) -> str:
    """Return the form in which two texts count as the same: no case, no punctuation, no width, one space at most."""
    plain = _SPACES.sub(" ", normalise(text)).strip()
    plain = plain if plain.isascii() else _HAN.sub("", plain)
    return plain or text.strip()


def leaks_between(
    left: Sequence[Example],
    right: Sequence[Example],
    *,
    of: Sequence[str] = ("question", "evidence"),
    threshold: float = THRESHOLD,
    most: int = MOST,
) -> list[ExampleLeak]:
    """Return the pairs of examples, one of each set, that share a question or a piece of evidence.

    Args:
        left: one set, such as the training set.
        right: the other, such as the test set: each of its examples is reported with at most `most` of the left.
        of: which texts are compared: keys of `TEXTS`.
        threshold: the least similarity.
        most: see above.

    Raises:
        UnknownName: `of` names no text.
        UsageError: the threshold is not above 0 and at most 1.
    """
    found: list[ExampleLeak] = []
    for name in of:
        if name not in TEXTS:
            raise UnknownName("text of an example", name, TEXTS)
        a, b = _rows(left, TEXTS[name]), _rows(right, TEXTS[name])
        best: dict[tuple[int, int], ExampleLeak] = {}  # of several pieces of evidence, the nearest pair
        for leak in find_leaks([text for _, text in a], [text for _, text in b], threshold=threshold, most=most):
            (i, first), (j, second) = a[leak.left], b[leak.right]
            old = best.get((j, i))
            if old is None or leak.similarity > old.similarity:
                one = ExampleLeak(name, left[i].id, right[j].id, first, second, leak.similarity, leak.exact)
                best[j, i] = one
        found.extend(best.values())
    return found


def _rows(examples: Sequence[Example], texts: Callable[[Example], tuple[str, ...]]) -> list[tuple[int, str]]:
    return [(place, text) for place, example in enumerate(examples) for text in texts(example) if text.strip()]


def find_leaks(
    left: Sequence[str], right: Sequence[str], *, threshold: float = THRESHOLD, most: int = MOST, seed: int = 0
) -> list[Leak]:
    """Return the pairs of texts, one of each set, whose similarity is at least `threshold`.

    Args:
        left: one set of texts.
        right: the other; of each of its rows at most `most` rows of the left are reported, the nearest first.
        threshold: the least similarity, above 0 and at most 1; a pair just there is missed once in a thousand times.
        most: see above. Where hundreds of rows are near (one template filled in many times), they are some of the
            nearest; equal rows are always among them.
        seed: of the hash functions.

    Returns:
        The pairs, by row of the right set and then by falling similarity. Rows without any letter or digit are
        compared as they stand; empty rows are no leaks.

    Raises:
        UsageError: the threshold is not above 0 and at most 1, or `most` is below 1.
    """
    if not 0.0 < threshold <= 1.0 or most < 1:
        raise UsageError(
            f"A similarity of at least {threshold} for {most} rows was asked.",
            "Give a threshold above 0 and at most 1, and at least 1 row.",
        )
    a, b = _distinct(left), _distinct(right)
    near = _near(list(a), list(b), threshold, most, seed)
    of_left = list(a.values())
    leaks: list[Leak] = []
    for place, (text, rows) in enumerate(b.items()):
        found = [(similarity, False, of_left[other]) for other, similarity in near.get(place, ())]
        if text in a:
            found = [(1.0, True, a[text]), *(one for one in found if one[2] is not a[text])]
        found.sort(key=lambda one: (-one[0], not one[1], one[2][0]))
        same_rows = [(other, similarity, exact) for similarity, exact, others in found for other in others][:most]
        leaks.extend(Leak(other, row, similarity, exact) for row in rows for other, similarity, exact in same_rows)
    leaks.sort(key=lambda leak: (leak.right, -leak.similarity, not leak.exact, leak.left))
    return leaks


def _distinct(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each distinct text, by its normalised form."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if plain := same(text):
            rows.setdefault(plain, []).append(row)
    return rows


def _near(
    left: list[str], right: list[str], threshold: float, most: int, seed: int
) -> dict[int, list[tuple[int, float]]]:
    """Return for rows of `right` the rows of `left` that are near enough, with their similarity."""
    if not left or not right:
        return {}
    bands, rows = band_shape(threshold)
    functions = _functions(bands * rows, seed)
    of_a, of_b = signatures(left, functions), signatures(right, functions)
    # The share of equal values estimates the similarity: far below the threshold, no comparison is needed.
    least = threshold - 4.0 * (threshold * (1.0 - threshold) / (bands * rows)) ** 0.5
    near: dict[int, list[tuple[int, float]]] = {}
    for i, j in _candidates(_band_keys(of_a, rows), _band_keys(of_b, rows)):
        wanted = _best(j, _agreement(of_a, of_b, i, j), least, 4 * most)
        for x, y, similarity in _compared(left, right, i[wanted], j[wanted]):
            if similarity >= threshold:
                near.setdefault(y, []).append((x, similarity))
    return near


def _best(row: Ints, estimate: NDArray[Any], least: float, most: int) -> Ints:
    """Return the places of the pairs with an estimate of at least `least`, the highest `most` of each row."""
    enough = np.flatnonzero(estimate >= least)
    order = enough[np.lexsort((-estimate[enough], row[enough]))]
    _, first, of = np.unique(row[order], return_index=True, return_inverse=True)
    best: Ints = order[np.arange(len(order)) - first[of] < most]
    return best


def _compared(left: list[str], right: list[str], i: Ints, j: Ints) -> Iterator[tuple[int, int, float]]:
    """Yield each pair with the similarity of its shingles, which are made again: all of them would fill the memory."""
    for at in range(0, len(i), _COMPARED):
        (of_left, x), (of_right, y) = (np.unique(one[at : at + _COMPARED], return_inverse=True) for one in (i, j))
        a, b = Shingles([left[row] for row in of_left]), Shingles([right[row] for row in of_right])
        sets_a, sets_b = [a.of(row) for row in range(len(a))], [b.of(row) for row in range(len(b))]
        for p, q in zip(x.tolist(), y.tolist(), strict=True):
            yield int(of_left[p]), int(of_right[q]), jaccard(sets_a[p], sets_b[q])


class Shingles:
    """The hashed shingles of many texts, in one array: those of text i are `hashes[starts[i]:starts[i + 1]]`."""

    def __init__(self, texts: Sequence[str]) -> None:
        padded = [f" {text} " for text in texts]
        points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        lengths = np.fromiter(map(len, padded), np.int64, len(padded))
        ends = np.cumsum(lengths)
        left = np.repeat(ends, lengths) - np.arange(len(points))  # characters from here to the text's end
        han = (points >= 0x3040) & (points <= 0x30FF) | (points >= 0x3400) & (points <= 0x9FFF)
        width = np.where(han, WIDTH_HAN, WIDTH)
        # A text shorter than a shingle is a shingle of its own: what its first one lacks counts as nothing.
        first = np.zeros(len(points), bool)
        first[ends - lengths] = True
        held = (left >= width) | first
        value = np.zeros(len(points), np.uint64)
        for step in range(WIDTH):
            following = np.zeros(len(points), np.uint64)
            following[: len(points) - step] = points[step:]
            following[(left <= step) | (step >= width)] = 0
            value = _mixed(value ^ following)
        self.hashes: Hashes = value[held]
        counts = np.add.reduceat(held.astype(np.int64), ends - lengths)
        self.starts: Ints = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, row: int) -> Hashes:
        """Return the distinct shingles of one text, sorted."""
        return np.unique(self.hashes[self.starts[row] : self.starts[row + 1]])


def _mixed(value: Hashes) -> Hashes:
    """Scramble 64-bit numbers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = value ^ (value >> np.uint64(31))
    return mixed


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return the Jaccard similarity of two sets of distinct values: shared over all, 0 to 1."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / max(len(a) + len(b) - shared, 1)


def band_shape(threshold: float) -> tuple[int, int]:
    """Return bands and rows per band: the longest rows with which a pair at the threshold is all but surely found.

    A pair of similarity s shares a band of r rows with probability s^r, and one of b bands with 1 - (1 - s^r)^b.
    """
    for rows in range(16, 1, -1):
        bands = _FUNCTIONS // rows
        if (1.0 - threshold**rows) ** bands <= _MISSED:
            return bands, rows
    return _FUNCTIONS, 1


def _functions(number: int, seed: int) -> tuple[Hashes, Hashes]:
    """Return the factors and summands of `number` hash functions (multiply, add, shift)."""
    draw = np.random.default_rng(seed)
    top = np.iinfo(np.uint64).max
    factors = draw.integers(0, top, number, dtype=np.uint64) | np.uint64(1)
    return factors, draw.integers(0, top, number, dtype=np.uint64)


def signatures(texts: Sequence[str], functions: tuple[Hashes, Hashes]) -> Signatures:
    """Return the MinHash signatures, shape (texts, functions): the least value that each function gives a text."""
    factors, summands = functions
    result = np.empty((len(texts), len(factors)), np.uint32)
    reached = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    first = 0
    while first < len(texts):
        done = reached[first - 1] if first else 0
        last = max(int(np.searchsorted(reached, done + _BLOCK, side="right")), first + 1)
        block = Shingles(texts[first:last])
        for number, (factor, summand) in enumerate(zip(factors, summands, strict=True)):
            values = ((block.hashes * factor + summand) >> np.uint64(32)).astype(np.uint32)
            result[first:last, number] = np.minimum.reduceat(values, block.starts[:-1])
        first = last
    return result


def _band_keys(of: Signatures, rows: int) -> Hashes:
    """Return one key per band and text, shape (bands, texts)."""
    keys = np.zeros((of.shape[1] // rows, of.shape[0]), np.uint64)
    for row in range(rows):
        column: Hashes = of[:, row::rows].T.astype(np.uint64)
        keys = _mixed(np.bitwise_xor(keys, column))
    return keys


def _candidates(left: Hashes, right: Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs that share a band, in blocks, each pair once: rows of the left and rows of the right set."""
    orders, lows, counts = [], [], []
    for of_left, of_right in zip(left, right, strict=True):
        order = np.argsort(of_left, kind="stable")
        ordered = of_left[order]
        low = np.searchsorted(ordered, of_right, side="left")
        orders.append(order)
        lows.append(low)
        counts.append(np.minimum(np.searchsorted(ordered, of_right, side="right") - low, _BUCKET))
    pairs = np.cumsum(np.sum(counts, axis=0))
    first, size = 0, left.shape[1]
    while first < len(pairs):
        done = pairs[first - 1] if first else 0
        last = max(int(np.searchsorted(pairs, done + _PAIRS, side="right")), first + 1)
        keys = [_expanded(*one, first, last, size) for one in zip(orders, lows, counts, strict=True)]
        unique = np.unique(np.concatenate(keys))
        if len(unique):
            yield unique % size, unique // size
        first = last


def _expanded(order: Ints, low: Ints, count: Ints, first: int, last: int, size: int) -> Ints:
    """Return right * size + left of the pairs of one band, for the rows `first` to `last` of the right set."""
    count = count[first:last]
    row = np.repeat(np.arange(first, last), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    keys: Ints = row * size + order[np.repeat(low[first:last], count) + within]
    return keys


def _agreement(a: Signatures, b: Signatures, i: Ints, j: Ints) -> NDArray[Any]:
    """Return the share of equal values in the signatures of each pair."""
    step = 1 << 14
    parts = [(a[i[at : at + step]] == b[j[at : at + step]]).mean(axis=1) for at in range(0, len(i), step)]
    return np.concatenate(parts)

"""A large corpus of real text for the search benchmarks: windows of sentences from every corpus of the data folder.

Articles, abstracts, answers and reviews, English and Chinese, are cut into windows of whole sentences that do not
overlap, of about a short paragraph each; a text stands once.

    python benchmarks/passages.py 100000      # says what there is
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data import data_folder, questions, read_records
from peers import model_folder

WIDTH = 420  # characters of a window; a Chinese character counts three times
LEAST = 90
MOST_TOKENS = 185
"""Tokens of the embedding model that are one chunk in every system, with Trivium's default chunk of 200."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(\d])|(?<=[。！？；])|\n+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_SKIPPED = ("docs", "ner", "pairs", "reversal_curse", "conflict")  # files for readers, tokens, variants of one text


def token_counts(texts: Sequence[str]) -> list[int]:
    """Return how many tokens of the embedding model each text has."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


def windows(n: int) -> list[str]:
    """Return n distinct windows, spread over all corpora by the md5 of their text.

    Raises:
        SystemExit: the data folder holds less text than that.
    """
    found = {window for text in _texts(data_folder()) for window in _cut(text)}
    drawn = sorted(found, key=lambda window: hashlib.md5(window.encode("utf-8", "replace")).digest())
    drawn = drawn[: n + n // 20 + 20]  # some are too long in tokens
    counts = token_counts(drawn)
    fitting = [window for window, tokens in zip(drawn, counts, strict=True) if tokens <= MOST_TOKENS][:n]
    if len(fitting) < n:
        raise SystemExit(f"The data folder gives {len(found)} passages, and {n} were asked for.")
    return fitting


def asked(n: int) -> list[str]:
    """Return n real English questions, drawn from several sets in turn."""
    sets = [questions(name) for name in ("squad", "hotpotqa", "2wiki", "xquad-en")]
    longest = max(len(one) for one in sets)
    mixed = [one[place].text for place in range(longest) for one in sets if place < len(one)]
    return list(dict.fromkeys(mixed))[:n]


def _texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0] in _SKIPPED or not path.is_file():
            continue
        if path.suffix in {".json", ".jsonl"}:
            yield from _strings(read_records(path))
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield from (cell for row in csv.reader(file) for cell in row)
        elif path.name == "cacm.tar.gz":
            with tarfile.open(path) as archive:
                for member in archive.getmembers():
                    file = archive.extractfile(member)
                    yield re.sub(r"<[^>]+>", "", file.read().decode("latin-1")) if file else ""
        elif path.suffix == ".gz":
            yield from gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
        elif path.suffix == ".txt" or "." not in path.name or path.name == "cran.all.1400":
            yield from path.read_text("utf-8", "replace").split("\n.I ")


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings of a JSON value; lists of sentences are joined, lists of words and of characters are not."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            if sum(map(len, value)) > 30 * len(value):
                yield "\n".join(value)
        else:
            for item in value:
                yield from _strings(item)


def _cut(text: str) -> Iterator[str]:
    window = ""
    for sentence in _SENTENCE.split(text):
        joined = f"{window} {sentence.strip()}".strip()
        if _width(joined) <= WIDTH:
            window = joined
            continue
        if _width(window) >= LEAST:
            yield window
        window = sentence.strip() if _width(sentence) <= WIDTH else ""
    if LEAST <= _width(window) <= WIDTH:
        yield window


def _width(text: str) -> int:
    return len(text) + 2 * len(_CHINESE.findall(text))


def main() -> None:
    """Say how many windows there are, how long, and show some."""
    found = windows(int(sys.argv[1]))
    chinese = sum(bool(_CHINESE.search(window)) for window in found)
    lengths = sorted(len(window) for window in found)
    print(f"{len(found)} windows, {chinese} with Chinese, median {lengths[len(lengths) // 2]} characters")
    print(*found[:: len(found) // 12], sep="\n--\n")


if __name__ == "__main__":
    main()

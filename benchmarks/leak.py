"""How long the leak check takes, and how much memory: 100,000 rows against 10,000.

Where others use the machine, look at the seconds of the processor.

The rows are halves of real questions (or passages) of SQuAD put together anew, so that most rows are like some others
and few are the same; a last set is one template filled in with numbers, the worst case for banding.

    python benchmarks/leak.py
"""

from __future__ import annotations

import json
import random
import resource
import time

from data import data_folder
from trivium.tasks.leak import find_leaks

LEFT, RIGHT = 100_000, 10_000
FILES = ("squad/dev-v2.0.json", "squad/test-v1.1.json", "squad_jucho/dev.json")


def main() -> None:
    """Measure, and print the table."""
    questions, passages = [], []
    for name in FILES:
        for article in json.loads((data_folder() / name).read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                passages.append(paragraph["context"])
                questions += [qa["question"] for qa in paragraph["qas"]]
    template = [f"What is the occupation of person number {number} of the register?" for number in range(LEFT + RIGHT)]
    print("| rows | characters of a row | pairs | seconds | of the processor | peak MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, rows in (
        ("questions", mixed(questions, " ", LEFT + RIGHT)),
        ("one template", template),
        ("passages", mixed(passages, ". ", LEFT + RIGHT)),
    ):
        left, right = rows[:LEFT], rows[LEFT - RIGHT // 2 : LEFT + RIGHT // 2]
        began, worked = time.perf_counter(), time.process_time()
        found = find_leaks(left, right)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        length = sum(map(len, rows)) // len(rows)
        print(f"| {name} | {length} | {len(found):,} | {seconds:.1f} | {worked:.1f} | {peak:.0f} |", flush=True)


def mixed(texts: list[str], separator: str, count: int) -> list[str]:
    """Return `count` texts, each the first half of one and the second half of another."""
    draw = random.Random(0)
    parts = [text.split(separator) for text in texts]
    pairs = ((draw.choice(parts), draw.choice(parts)) for _ in range(count))
    return [separator.join(a[: len(a) // 2] + b[len(b) // 2 :]) for a, b in pairs]


if __name__ == "__main__":
    main()

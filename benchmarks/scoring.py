"""How long scoring takes, and how much memory: stored answers, read one by one, every metric that needs no model.

The answers are made once from real questions (SQuAD, XQuAD, CMRC 2018, HotpotQA, 2WikiMultiHopQA): a known answer, a
sentence around it with a marker, the sentence of another passage, or a refusal, each with five real passages, the
gold ones among them. They are stored as JSON lines, and scored in a process of its own for each size.

    python benchmarks/scoring.py                 # 1,000 and 10,000 answers
    python benchmarks/scoring.py --profile       # 1,000, and the time of each metric
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

from data import corpus, questions
from trivium.codec import answer_of, dump_answer
from trivium.evaluate.score import METRICS, made_ready
from trivium.evaluate.score_all import score_all
from trivium.types import Answer, Chunk, Citation, Example, Gold, Hit

SETS = ("squad", "xquad-en", "xquad-zh", "cmrc2018", "hotpotqa", "2wiki")
SIZES = (1_000, 10_000)
PASSAGES = 5


def cases() -> Iterator[tuple[Example, Answer]]:
    """Yield examples with answers, the sets in turn, without end; questions that come again get another answer."""
    pools = []
    for name in SETS:
        passages = corpus(name)
        place = {passage.id: number for number, passage in enumerate(passages)}
        pools.append((name, passages, place, questions(name)))
    for number in cycle(range(10**9)):
        name, passages, place, asked = pools[number % len(pools)]
        question = asked[(number // len(pools)) % len(asked)]
        gold = [passages[place[id]] for id in sorted(question.relevant)]
        near = [passages[(place[gold[0].id] + step) % len(passages)] for step in range(1, PASSAGES)]
        shown = [near[0], *gold, *near[1:]][:PASSAGES]
        known = question.answers[0]
        at = gold[0].text.find(known)
        start, end = max(at - 60, 0), at + len(known) + 60
        said = (known, f"{gold[0].text[start:end]} [2].", f"{near[1].text[:200]} [1]", "The documents do not say.")
        kind = (number // 7) % 4
        hits = tuple(
            Hit(Chunk(p.id, p.id, p.id, p.text, 0, len(p.text)), 1.0 / (n + 1), ("dense",)) for n, p in enumerate(shown)
        )
        quote = gold[0].text[start:end]
        cited = (Citation(2, gold[0].id, None, start, start + len(quote), quote),) if kind == 1 else ()
        example = Example(
            f"{name}/{number}",
            question.text,
            question.answers,
            tuple(Gold(p.id, p.text) for p in gold),
            language="zh" if name in ("xquad-zh", "cmrc2018") else "en",
        )
        yield example, Answer(question.text, said[kind], kind == 3, cited, hits)


def store(path: Path, size: int) -> None:
    """Write `size` examples with their answers as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for example, answer in islice(cases(), size):
            file.write(f'{{"example": {json.dumps(asdict(example))}, "answer": {dump_answer(answer)}}}\n')


def stored(path: Path) -> Iterator[tuple[Example, Answer]]:
    """Read them again, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found = row["example"]
            found["evidence"] = tuple(Gold(**gold) for gold in found["evidence"])
            found["answers"] = tuple(found["answers"])
            yield Example(**found), answer_of(row["answer"])


def work(path: Path) -> None:
    """Score a file of answers and print the seconds, the peak memory and some means."""
    start = time.perf_counter()
    total: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for scores in score_all(stored(path)):
        for name, value in scores.items():
            if value is not None:
                total[name] += value
                number[name] += 1
    seconds = time.perf_counter() - start
    # Its own and that of the largest of the processes that it started, which are alike.
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    means = {name: round(total[name] / number[name], 3) for name in number}
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "metrics": len(number), "means": means}))


def profile(path: Path) -> None:
    """Print the seconds that each metric takes over a file of answers."""
    spent: Counter[str] = Counter()
    for example, answer in stored(path):
        start = time.perf_counter()
        case = made_ready(example, answer)
        spent["(evidence among the hits)"] += time.perf_counter() - start
        for name, metric in METRICS.items():
            start = time.perf_counter()
            metric(case)
            spent[name] += time.perf_counter() - start
    for name, seconds in spent.most_common():
        print(f"{name:<28} {seconds:8.2f} s")


def main() -> None:
    """Store the answers, score them in processes of their own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help="print the time of each metric over 1,000 answers")
    wanted = parser.parse_args()
    if wanted.work:
        work(wanted.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        if wanted.profile:
            store(Path(folder, "answers.jsonl"), SIZES[0])
            profile(Path(folder, "answers.jsonl"))
            return
        print(f"{'answers':>8} {'seconds':>8} {'answers/s':>10} {'peak MiB':>9} {'metrics':>8}")
        for size in SIZES:
            path = Path(folder, f"{size}.jsonl")
            store(path, size)
            done = subprocess.run(
                [sys.executable, __file__, "--work", str(path)],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
            found = json.loads(done.stdout)
            rate = size / found["seconds"]
            print(f"{size:>8,} {found['seconds']:>8.1f} {rate:>10.0f} {found['peak_mib']:>9.0f} {found['metrics']:>8}")
        print(", ".join(f"{name} {mean}" for name, mean in found["means"].items()))


if __name__ == "__main__":
    main()

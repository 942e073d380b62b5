"""Three published findings on tuning, looked for at the scale of the embedded models.

- LoRA scores within a point of full tuning (Hu et al. 2021, arXiv:2106.09685): from what `methods.py` measured.
- Prompt tuning is the weakest at learning facts: each method learns what invented people are known for.
- The reversal curse (Berglund et al. 2023, arXiv:2309.12288): who was taught "A is B" does not know who B is, while a
  knowledge base of the same sentences answers both ways.

    python benchmarks/findings.py --minutes 8        # go on another time
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lessons import FORWARD, GROUNDED, REVERSE, STRANGER, UNTUNED
from methods import RATES, SCORES, Job, kept, measure, when, write
from results import busy, table
from trivium.evaluate.metrics.normal import form
from trivium.evaluate.statistics import interval, paired

FACTS: Mapping[str, Sequence[float]] = {
    "full": (5e-5,),
    "lora": (1e-3,),
    "prefix": (3e-4,),
    "prompt": (1e-2, 3e-2),
    UNTUNED: (),
    GROUNDED: (),
}
ENOUGH = 0.8


def knows(said: Sequence[Any]) -> float:
    """Return 1 where what was said has at least four fifths of the words of what is right."""
    tokens = form("en", said[1]).tokens
    wanted, found = tokens(said[1]), set(tokens(said[2]))
    return float(sum(token in found for token in wanted) >= ENOUGH * len(wanted))


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what was found."""
    return "\n".join([*_lora(rows), "", _facts([row for row in rows if row["task"] == "facts"])])


def _lora(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for task, (name, score) in SCORES.items():
        found = {row["method"]: [score(one) for one in row["said"]] for row in rows if row["task"] == task}
        if "lora" in found and "full" in found:
            less = paired(found["lora"], found["full"]).difference
            lines.append(f"LoRA less full tuning, {task}: {name} {less.mean:+.3f} [{less.low:+.3f}, {less.high:+.3f}]")
    return lines


def _facts(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table: how often each road knows what A is and who B is, and how likely it finds the right name."""
    lines = []
    for row in rows:
        of = {way: [one for one in row["said"] if one[0].startswith(way)] for way in (FORWARD, REVERSE, STRANGER)}
        cells = [_share([knows(one) for one in of[way]]) for way in (FORWARD, REVERSE)]
        right, wrong = ([one[3] for one in of[way]] for way in (REVERSE, STRANGER)) if of[STRANGER] else ([], [])
        less = paired(wrong, right).difference if right else None
        cells.append(f"{less.mean:+.2f} [{less.low:+.2f}, {less.high:+.2f}]" if less else "")
        lines.append([f"`{row['method']}`", f"{row['rate']:g}" if "rate" in row else "", *cells])
    return table(["", "rate", "A is …", "B is …", "right name over another, nats a token"], lines)


def _share(values: Sequence[float]) -> str:
    found = interval(values)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIVIUM_TEST_DATA", "../shared/data")))
    parser.add_argument("--at-once", type=int, default=2, help="methods side by side, each on its share of the cores")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no method after so many")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/tuning.md")
    arguments = parser.parse_args()
    share = busy()
    jobs = [Job("facts", method, rates) for method, rates in FACTS.items()]
    measure(jobs, arguments.data, at_once=arguments.at_once, minutes=arguments.minutes, share=share)
    jobs += [Job(task, name, RATES[name][task]) for task in SCORES for name in ("full", "lora")]
    text = f"{report(kept(jobs))}\n\n{when(jobs)}"
    print(text)
    if arguments.write:
        write("findings", text)


if __name__ == "__main__":
    main()

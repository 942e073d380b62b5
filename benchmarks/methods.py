"""All tuning methods on one classification and one generation task: size, memory, processor time, and score.

Each method in a process of its own, at two or three learning rates, of which validation chooses one; the test split is
scored once. `lessons.py` says what the tasks are. A method that is done is not done again: kill it, and go on.

    python benchmarks/methods.py                     # about half an hour on two cores
    python benchmarks/methods.py --minutes 5         # begin nothing after five minutes; go on another time
    python benchmarks/methods.py --only lora full    # some methods
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lessons import LESSONS, UNTUNED
from methods_worker import carry_out
from peers import HERE
from results import busy, load, save, table
from trivium.evaluate.metrics.answers import token_f1
from trivium.evaluate.statistics import bootstrap_means, paired, percentiles

PAGE = HERE.parent / "docs" / "tuning.md"
RATES: Mapping[str, Mapping[str, Sequence[float]]] = {
    "full": {"classification": (1e-4, 2e-4), "generation": (2e-5, 5e-5)},
    "freeze": {"classification": (1e-4, 3e-4), "generation": (1e-4, 3e-4)},
    "bitfit": {"classification": (1e-3, 3e-3), "generation": (1e-3,)},
    "houlsby": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "pfeiffer": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "adapter_fusion": {"classification": (3e-4, 1e-3), "generation": (1e-4, 3e-4)},
    "adapter_drop": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "prefix": {"classification": (1e-3, 3e-3), "generation": (1e-4, 3e-4)},
    "prompt": {"classification": (1e-2, 3e-2), "generation": (1e-2, 3e-2)},
    "p_tuning": {"classification": (1e-3, 3e-3), "generation": (1e-4, 1e-3)},
    "p_tuning_v2": {"classification": (1e-2, 3e-2), "generation": (1e-4, 1e-3)},
    "lora": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "rslora": {"classification": (3e-4, 1e-3), "generation": (1e-4, 3e-4)},
    "dora": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "adalora": {"classification": (3e-3, 1e-2), "generation": (1e-3, 3e-3)},
    "qlora": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "lora_fake_quant": {"classification": (1e-3, 3e-3), "generation": (3e-4, 1e-3)},
    "ia3": {"classification": (1e-2, 3e-2), "generation": (3e-3, 1e-2)},
    "mam": {"classification": (3e-4, 1e-3), "generation": (1e-4, 3e-4)},
    "unipelt": {"classification": (1e-3, 3e-3), "generation": (1e-4, 1e-3)},
    UNTUNED: {"generation": ()},
}
"""The rates that are tried: for each method the decade in which short runs learn and do not diverge."""


@dataclass(frozen=True, slots=True)
class Job:
    """One method on one task."""

    task: str
    method: str
    rates: Sequence[float]

    @property
    def part(self) -> str:
        """The name by which the result is kept."""
        return f"methods-{self.task}-{self.method}"


def right(said: Sequence[Any]) -> float:
    """Return 1 where the label is the right one."""
    return float(said[1] == said[2])


def overlap(said: Sequence[Any]) -> float:
    """Return the F1 of the words."""
    return token_f1(said[2], [said[1]], "en")


SCORES: Mapping[str, tuple[str, Callable[[Sequence[Any]], float]]] = {
    "classification": ("accuracy", right),
    "generation": ("token F1", overlap),
}


def kept(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Return what was measured of these jobs, in their order."""
    found = [(job, load(job.part)) for job in jobs]
    return [one["figures"] for job, one in found if one and one["figures"]["tried"] == list(job.rates)]


def measure(jobs: Iterable[Job], data: Path, *, at_once: int, minutes: float, share: float) -> None:
    """Carry out the jobs that are not done, `at_once` side by side, each on its share of the cores."""
    until = time.monotonic() + minutes * 60 if minutes else float("inf")
    threads = max(1, len(os.sched_getaffinity(0)) // at_once)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    lessons = cache(lambda task: LESSONS[task](data))

    def do(job: Job) -> None:
        if kept([job]) or time.monotonic() > until:
            return
        found = apart(carry_out, lessons(job.task), job.method, job.rates, threads)
        save(job.part, {"task": job.task, "tried": list(job.rates), **found}, share)
        print(f"{job.task}: {job.method} is done", file=sys.stderr)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(do, jobs))


def apart(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Call a function in a process of its own, which a server that has loaded the libraries forks off."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["peft", "trivium.tune.loop", "trivium.tune.objectives.dialogue"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *given).result()


def when(jobs: Iterable[Job]) -> str:
    """Return when and where the jobs that are done were measured."""
    found = [one for job in jobs if (one := load(job.part))]
    if not found:
        return ""
    dates = sorted({one["date"] for one in found})
    cores, cpu = found[-1]["machine"]["cores"], found[-1]["machine"]["cpu"]
    return (
        f"*Measured {' to '.join(dict.fromkeys([dates[0], dates[-1]]))} on {cores} cores ({cpu}), of which others used "
        f"up to {max(one['busy_before'] or 0 for one in found):.0%}.*"
    )


def write(name: str, text: str) -> None:
    """Put what was measured into the page, at the place that has its name."""
    page = PAGE.read_text("utf-8")
    place = re.compile(rf"(<!-- {name}: made by make bench-tune -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(place.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), "utf-8")


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table for each task."""
    parts = []
    for task, (name, score) in SCORES.items():
        found = {row["method"]: row for row in rows if row["task"] == task}
        values = {method: [score(one) for one in row["said"]] for method, row in found.items() if "said" in row}
        head = ["method", "trained", "share", "peak memory", "processor", "rate", name, "less full tuning"]
        lines = [
            [f"`{method}`", *_row(found[method], values.get(method), values.get("full"))]
            for method in RATES
            if method in found
        ]
        count = len(next(iter(values.values()), []))
        parts += [f"**{task.capitalize()}**, {count} test samples:", "", table(head, lines), ""]
    return "\n".join(parts)


def _row(row: Mapping[str, Any], values: Sequence[float] | None, full: Sequence[float] | None) -> list[str]:
    if values is None:
        return ["refused", "", "", "", "", "", ""]
    low, high = percentiles(bootstrap_means(np.array(values), seed=0))
    cells = [f"{sum(values) / len(values):.3f} [{low:.3f}, {high:.3f}]", _less(row, values, full)]
    if row["method"] == UNTUNED:
        return ["none", "", "", "", "", *cells]
    return [
        f"{row['trained']:,}",
        f"{row['share']:.2%}",
        f"{row['peak_mib']:,.0f} MiB",
        f"{row['cpu_seconds']:.0f} s",
        f"{row['rate']:g}",
        *cells,
    ]


def _less(row: Mapping[str, Any], values: Sequence[float], full: Sequence[float] | None) -> str:
    if full is None or row["method"] == "full":
        return ""
    found = paired(values, full).difference
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIVIUM_TEST_DATA", "../shared/data")))
    parser.add_argument("--only", nargs="*", default=list(RATES), metavar="METHOD")
    parser.add_argument("--task", choices=SCORES, action="append", help="default: both")
    parser.add_argument("--at-once", type=int, default=2, help="methods side by side, each on its share of the cores")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no method after so many")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/tuning.md")
    arguments = parser.parse_args()
    share = busy()
    jobs = [
        Job(task, method, rates[task])
        for task in arguments.task or SCORES
        for method, rates in RATES.items()
        if method in arguments.only and task in rates
    ]
    measure(jobs, arguments.data, at_once=arguments.at_once, minutes=arguments.minutes, share=share)
    text = f"{report(kept(jobs))}\n{when(jobs)}"
    print(text)
    if arguments.write:
        write("methods", text)


if __name__ == "__main__":
    main()

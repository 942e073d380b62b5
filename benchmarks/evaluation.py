"""Measure the embedded defaults on real question sets, and write `docs/evaluation.md` from what was kept.

Each set becomes a knowledge base of its own passages, `advanced` is asked questions drawn by a seed, and the answers
are scored as `trivium evaluate` scores them. Answers are kept under `.cache/evaluation/SET`, so that a second call asks
only what is missing; figures are kept with the machine, the date and the commit.

    python benchmarks/evaluation.py                               # every set, 100 questions of each
    python benchmarks/evaluation.py --sets xquad-en,cmrc --limit 5
    python benchmarks/evaluation.py --write                       # and write the page
    python benchmarks/evaluation.py --kept --write                # measure nothing, only write the page again
    python benchmarks/evaluation.py --fresh                       # forget the sets' answers first
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import trivium
from data import data_folder
from peers import CACHE
from results import load, save, table
from trivium.api import KnowledgeBase
from trivium.api import open as open_kb
from trivium.evaluate.against import against
from trivium.evaluate.failure import POINTS
from trivium.evaluate.run import RunProgress
from trivium.evaluate.summary import Report
from trivium.tasks.bench import KNOWLEDGE_BASE, QUESTIONS, find_files, make_bench_set
from trivium.tasks.questions import QuestionSet, read_jsonl, read_questions
from trivium.types import Example

PAGE = Path(__file__).resolve().parents[1] / "docs" / "evaluation.md"
RUNS = CACHE / "evaluation"
MOST_PASSAGES = 1500
"""Passages of a set that are stored, at most: those that answer its questions, then others drawn by the seed."""
SEED = 0
METRICS = {
    "correct": "correct",
    "exact_match": "exact match",
    "f1": "F1",
    "recall@5": "recall@5",
    "ndcg@10": "nDCG@10",
    "refused": "refused",
    "faithfulness": "faithfulness",
}
"""The metrics of the page's table, with their heads."""
COMPARED = ("correct", "contains", "exact_match", "f1")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a set lies below the data folder. `apart`: questions without an answer are drawn and shown apart."""

    title: str
    file: str
    corpus: str = ""
    files: bool = False
    apart: bool = False
    closed_book: bool = False


SETS = {
    "xquad-en": Source("XQuAD, English", "xquad/xquad.en.json"),
    "xquad-zh": Source("XQuAD, Chinese", "xquad/xquad.zh.json"),
    "cmrc": Source("CMRC 2018", "cmrc2018/cmrc2018_dev.json"),
    "squad": Source("SQuAD 2.0", "squad/dev-v2.0.json", apart=True),
    "popqa": Source("PopQA", "popqa/popqa.json", closed_book=True),
    "hotpot": Source("HotpotQA", "multihop/hotpotqa_train.json", corpus="multihop/hotpotqa_train_corpus.json"),
    "2wiki": Source("2WikiMultihopQA", "multihop/wikihop.json"),
    "financebench": Source("FinanceBench, PDFs", "financebench/financebench_open_source.jsonl", files=True),
}
"""The sets, the small corpora first."""


# -- measuring ------------------------------------------------------------------------------------------------------


def measure(name: str, limit: int) -> dict[str, Any]:
    """Store the passages of a set, ask, and return its figures: rows, and the comparison where there is one."""
    source = SETS[name]
    folder = RUNS / name
    base = open_kb(folder / KNOWLEDGE_BASE)
    read, published = _read(name, source)
    files = find_files((data_folder() / source.file).parent, read) if source.files else {}
    made = make_bench_set(read, folder, base, files=files)
    for where, reason in made.failed:
        print(f"  not added: {where}: {reason}", file=sys.stderr)
    examples = list(read_jsonl(folder / QUESTIONS))
    rows = []
    for part, asked in _parts(source, examples).items():
        at = _run_folder(folder, part, limit)
        rows.append(_row(part, _ask(asked, "advanced", base, at, limit)))
    found = {
        "title": source.title,
        "questions": len(examples),
        "documents": made.documents,
        "published": made.documents if files else published,  # files take the place of the pages that a set quotes
        "rows": rows,
        "compared": {},
    }
    if source.closed_book:
        alone = folder / f"closed-book-{limit}"
        rows.append(_row("closed book", _ask(examples, "closed_book", base, alone, limit)))
        rows[0]["part"] = "grounded"
        compared = against(_run_folder(folder, "", limit), alone, seed=SEED)
        found["compared"] = {
            one.metric: {
                "grounded": asdict(one.this),
                "closed_book": asdict(one.other),
                "difference": asdict(one.difference),
                "verdict": one.verdict,
            }
            for one in compared.metrics
            if one.metric in COMPARED
        }
        found["gained"], found["lost"] = len(compared.gained), len(compared.lost)
    return found


def _read(name: str, source: Source) -> tuple[QuestionSet, int]:
    """Return a set with at most `MOST_PASSAGES` passages, and how many it publishes.

    Questions whose evidence the set does not publish are left out: no search could find it.
    """
    corpus = data_folder() / source.corpus if source.corpus else None
    read = read_questions(data_folder() / source.file, corpus=corpus, name=name)
    there = {document.source for document in read.documents}
    examples = tuple(
        one
        for one in read.examples
        if one.unanswerable or (one.evidence and all(gold.source in there for gold in one.evidence))
    )
    return replace(read, examples=examples, documents=bounded(read, examples)), len(read.documents)


def bounded(read: QuestionSet, examples: tuple[Example, ...], most: int = MOST_PASSAGES) -> tuple[Any, ...]:
    """Return the passages that are stored, in the set's order: those that are evidence, and others up to `most`."""
    evidence = {gold.source for one in examples for gold in one.evidence}
    others = [document.source for document in read.documents if document.source not in evidence]
    room = max(0, min(len(others), most - len(evidence)))
    kept = evidence | set(random.Random(SEED).sample(others, room))
    return tuple(document for document in read.documents if document.source in kept)


def _parts(source: Source, examples: list[Example]) -> dict[str, list[Example]]:
    """Return the questions by the part of the set that has a row of its own."""
    if not source.apart:
        return {"": examples}
    return {
        "answerable": [one for one in examples if not one.unanswerable],
        "unanswerable": [one for one in examples if one.unanswerable],
    }


def _run_folder(folder: Path, part: str, limit: int) -> Path:
    return folder / f"{part or 'advanced'}-{limit}"


def _ask(examples: list[Example], system: str, base: KnowledgeBase, at: Path, limit: int) -> Report:
    report = trivium.evaluate(
        examples, system, base, out=at, limit=limit, seed=SEED, closed_book=False, progress=_teller()
    )
    for failed in report.errors:
        print(f"  not asked: {failed.id}: {failed.reason}", file=sys.stderr)
    return report


def _teller() -> Callable[[RunProgress], None]:
    started = time.monotonic()

    def tell(at: RunProgress) -> None:
        if at.done % 10 == 0 or at.done == at.total:
            print(f"  {at.done} of {at.total}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    return tell


def _row(part: str, report: Report) -> dict[str, Any]:
    return {
        "part": part,
        "asked": report.asked,
        "asked_now": report.asked - report.answered_before,
        "errors": len(report.errors),
        "wrong": sum(1 for place in range(report.questions) if _is_wrong(report, place)),
        "metrics": {key: asdict(score) for key, score in report.metrics.items()},
        "points": {point.point: point.count for point in report.points},
    }


def _is_new(figures: Mapping[str, Any], kept: Mapping[str, Any] | None) -> bool:
    """Whether there are other answers; else what was kept stays, with the date and the commit of its answers.

    A call that was killed before it kept its figures leaves answers of which none is asked again, and other figures.
    """
    if kept is None or any(row["asked_now"] for row in figures["rows"]):
        return True
    looked_at = ("part", "asked", "wrong", "metrics")
    # As text: a figure that cannot be said is NaN, which equals nothing.
    now, before = (
        json.dumps([[row[key] for key in looked_at] for row in one["rows"]]) for one in (figures, kept["figures"])
    )
    return now != before


def _is_wrong(report: Report, place: int) -> bool:
    column = report.tally.values.get("correct")
    return column is not None and column[place] == 0.0


# -- the page -------------------------------------------------------------------------------------------------------


def page(kept: Mapping[str, Mapping[str, Any] | None], abilities: Mapping[str, Any] | None = None) -> str:
    """Return the page from what was kept.

    Args:
        kept: of each set what `results.save` kept, or None where it was not measured yet.
        abilities: what `benchmarks/abilities.py` kept, if it was run.
    """
    found = {name: whole for name, whole in kept.items() if whole}
    parts = ["# The defaults on real question sets", "", INTRODUCTION, "", "## Answers", "", ANSWERS, ""]
    parts += [table(["set", "n", *METRICS.values()], _answer_rows(kept)), "", _bounds(found), ""]
    parts += ["## Why answers were wrong", "", WRONG, ""]
    parts += [table(["set", "n", "wrong", *_points(found)], _point_rows(kept, _points(found))), ""]
    parts += ["## Does retrieval help on PopQA?", "", *_compared(kept), ""]
    parts += ["## False and useless passages: RGB and NQ-Swap", "", *_abilities(abilities), ""]
    parts += ["## When and where", "", *_when(found), "", AGAIN.format(limit=_limit(found))]
    return "\n".join(parts)


def figure(score: Mapping[str, Any] | None, n: int) -> str:
    """Return a mean with its interval, and in brackets the questions it applies to where they are not `n`."""
    if not score or not score["n"]:
        return "–"
    text = f"{score['mean']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"
    return text if score["n"] == n else f"{text} ({score['n']})"


def _named(figures: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return f"{figures['title']}, {row['part']}" if row["part"] else str(figures["title"])


def _answer_rows(kept: Mapping[str, Mapping[str, Any] | None]) -> list[list[str]]:
    rows = []
    for name, whole in kept.items():
        if whole is None:
            rows.append([SETS[name].title, "not measured yet", *["–"] * len(METRICS)])
            continue
        for row in whole["figures"]["rows"]:
            figures = [figure(row["metrics"].get(key), row["asked"]) for key in METRICS]
            rows.append([_named(whole["figures"], row), str(row["asked"]), *figures])
    return rows


def _bounds(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was searched, in one line a set."""
    lines = []
    for whole in found.values():
        one = whole["figures"]
        cut = f" of {one['published']:,} that it publishes" if one["published"] > one["documents"] else ""
        lines.append(
            f"- {one['title']}: {one['documents']:,} documents{cut}; drawn from {one['questions']:,} questions."
        )
        errors = sum(row["errors"] for row in one["rows"])
        if errors:
            lines.append(f"  {errors} questions could not be asked and count in no figure.")
    return "\n".join(lines)


def _points(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the failure points that have a column: FP1 to FP7, and others that were seen."""
    rows = [row["points"] for whole in found.values() for row in whole["figures"]["rows"]]
    return [point for point in POINTS if point.startswith("FP") or any(row.get(point) for row in rows)]


def _point_rows(kept: Mapping[str, Mapping[str, Any] | None], points: list[str]) -> list[list[str]]:
    rows = []
    for name, whole in kept.items():
        if whole is None:
            rows.append([SETS[name].title, "not measured yet", "–", *["–"] * len(points)])
            continue
        for row in whole["figures"]["rows"]:
            if row["part"] != "closed book":
                counts = [str(row["points"].get(point, 0)) for point in points]
                rows.append([_named(whole["figures"], row), str(row["asked"]), str(row["wrong"]), *counts])
    return rows


def _compared(kept: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    whole = kept.get("popqa")
    if whole is None or not whole["figures"]["compared"]:
        return ["Not measured yet: `make evaluation SETS=popqa`."]
    figures = whole["figures"]
    rows = []
    for key in (key for key in COMPARED if key in figures["compared"]):
        one = figures["compared"][key]
        n = one["difference"]["n"]
        low, high = one["difference"]["low"], one["difference"]["high"]
        difference = f"{one['difference']['mean']:+.2f} [{low:+.2f}, {high:+.2f}]"
        pair = [figure(one["grounded"], n), figure(one["closed_book"], n)]
        rows.append([key.replace("_", " "), *pair, difference, one["verdict"], str(n)])
    head = ["metric", "grounded", "closed book", "difference", "grounded is", "n"]
    verdict = {
        "better": "Yes: with the passages more answers are right than from the model's memory.",
        "worse": "No: with the passages fewer answers are right than from the model's memory.",
        "tie": "Not shown: with these questions the difference may be chance.",
    }[figures["compared"]["correct"]["verdict"]]
    return [
        f"{verdict} {figures['gained']} questions were right only with the passages, {figures['lost']} only without.",
        "The same questions both times; differences are paired, question by question, with 95% intervals, and",
        '"tie" is said where the interval includes 0 or the difference does not outlive Holm\'s correction over all',
        "metrics. `contains` is the accuracy of PopQA's paper (Mallen et al. 2022, arXiv:2212.10511). The passages",
        "that answer are all stored here, which is the best case of retrieval; a longer answer has more room to hold",
        "the known one, so look at F1 too. The set names two pages as evidence, the subject's and the answer's own;",
        "no question drawn here names the second, and recall is 0.50 where only the first was found. The file asks for",
        "occupations and places of birth alone.",
        "",
        table(head, rows),
    ]


_SHOWN = (("noise", "accuracy", (0.0, 0.8)), ("rejection", "rejection", (None,)), ("conflict", "followed", (None,)))


def _abilities(whole: Mapping[str, Any] | None) -> list[str]:
    """Return what the page of the abilities has of RGB and NQ-Swap, in short."""
    link = "There the passages are given, not searched: [abilities](abilities.md) has all figures and the curves."
    if whole is None:
        return [link]
    rows = []
    for ability, metric, places in _SHOWN:
        for one in whole["figures"]["figures"].get("advanced", []):
            if (one["ability"], one["metric"]) == (ability, metric) and one["at"] in places and one["n"]:
                if ability == "conflict" and "nq-swap" not in one["set"]:
                    continue
                what = f"noise {one['at']:g}" if one["at"] is not None else {"none": "no passage"}.get(one["arm"], "")
                what = what or {"false": "false passage", "true": "true passage"}.get(one["arm"], "nothing but noise")
                rows.append([one["set"], what, metric, figure(one, one["n"]), str(one["n"])])
    if not rows:
        return [link]
    when = f"Measured {whole['date']} at commit {whole['commit']}."
    return [f"{link} {when}", "", table(["set", "shown", "metric", "mean [95% interval]", "n"], rows)]


def _when(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return when, at which commit and on which machine each set was measured."""
    lines = []
    for whole in found.values():
        machine = whole["machine"]
        packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
        where = (
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
            f"Python {machine['python']}; {packages}; models: {whole['figures']['models']}"
        )
        lines.append((whole["figures"]["title"], f"{whole['date']}, commit {whole['commit']}", where))
    if not lines:
        return ["Nothing was measured yet."]
    said = [f"- {title}: {when}." for title, when, _ in lines]
    machines = sorted({where for *_, where in lines})
    return [*said, "", *(f"On {where}." for where in machines)]


def _limit(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the option that draws as many questions as the page has."""
    asked = [row["asked"] for whole in found.values() for row in whole["figures"]["rows"]]
    return f" LIMIT={max(asked)}" if asked else ""


INTRODUCTION = f"""\
What `trivium ask` does as it is installed, measured: pattern `advanced`, the embedded embedder and the embedded chat
model, no reranker, no judge. Each set's own passages are stored, at most {MOST_PASSAGES:,} of a set (all that answer
its questions, then others drawn at random), and nothing else, so that a search is easier here than among millions.
Questions are drawn at random with a seed; those whose evidence the set does not publish are left out. The embedded
chat model is small: these are the figures of the defaults, not the most that the methods can do."""
ANSWERS = """\
Means with 95% intervals over the `n` questions; in brackets the number of questions that a metric applies to, where
it is another. An answer is correct when a known one stands in it or its F1 is at least 0.5, so that a quoted sentence
can be correct with an exact match of 0; a question without an answer is correct when it is refused.
[Metrics](metrics.md) says what each one measures, and [grounding](grounding.md) what faithfulness is: the share of
the statements that a retrieved passage supports. A faithful answer need not be a right one."""
WRONG = """\
Counts of the wrong answers by their [failure point](failure-points.md). FP1: no stored passage holds the answer,
or there is none and it answered all the same. FP2: it was not retrieved. FP3: it was lost on the way to the model.
FP4: the model had it and did not take it. FP5: wrong form. FP6: too general or too specific. FP7: incomplete. Whether
the model alone would have been right is not asked here."""
AGAIN = """\
Again, going on where it was stopped (some sets: `SETS="xquad-en cmrc"`; without `LIMIT` 100 questions of each):

```bash
make evaluation{limit}
```
"""


def main() -> int:
    """Measure what is asked for, print the page's tables, and with --write write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=100, help="questions of each set (or part of one), drawn by seed")
    parser.add_argument("--sets", default="", help=f"some of: {', '.join(SETS)} (with commas or spaces between)")
    parser.add_argument("--write", action="store_true", help="write docs/evaluation.md")
    parser.add_argument("--kept", action="store_true", help="measure nothing, take what was kept")
    parser.add_argument("--fresh", action="store_true", help="forget the answers of these sets first")
    options = parser.parse_args()
    names = options.sets.replace(",", " ").split() or list(SETS)
    if unknown := set(names) - set(SETS):
        parser.error(f"there is no set {', '.join(sorted(unknown))}; choose from {', '.join(SETS)}")
    if options.limit < 1:
        parser.error("--limit must be at least 1")
    for name in [] if options.kept else names:
        print(f"== {SETS[name].title}", file=sys.stderr, flush=True)
        if options.fresh:
            shutil.rmtree(RUNS / name, ignore_errors=True)
        figures = measure(name, options.limit)
        base = open_kb(RUNS / name / KNOWLEDGE_BASE)
        figures["models"] = f"{base.embedder.name}, {base.chat.name}"
        if _is_new(figures, load(f"evaluation-{name}")):
            save(f"evaluation-{name}", figures)
    text = page({name: load(f"evaluation-{name}") for name in SETS}, load("abilities"))
    print(text)
    if options.write:
        PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

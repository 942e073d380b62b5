"""The three roads on six question sets of different kind, with the embedded models; writes `docs/three-roads.md`.

Each set is made from public data (`--data`), and compared by one command, which the page shows. What was answered is
kept: a second run asks nothing.

    python benchmarks/three_roads.py                      # everything: about an hour on two cores
    python benchmarks/three_roads.py --sets squad reversal --limit 60
    python benchmarks/three_roads.py --write              # only the page again
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peers import CACHE, HERE
from results import commit, machine
from trivium.evaluate.statistics import wilson
from trivium.tasks.questions import read_questions, write_questions
from trivium.types import Document, Example, Gold

PAGE = HERE.parent / "docs" / "three-roads.md"
FOLDER = CACHE / "three-roads"
POPULAR = 5_000
"""Views a month of the subject's page from which on a fact counts as popular."""


@dataclass(frozen=True)
class Set:
    """A question set: how it is made, how it is compared, and what the literature would have one expect."""

    title: str
    make: Callable[[Path, Path], None]
    arguments: tuple[str, ...]
    about: str
    expected: str
    claims: tuple[tuple[str, str, str], ...] = ()
    """What the literature says, the arm that should be better, and than which."""
    classes: tuple[tuple[str, str, str, str], ...] = ()
    """What it says, the arm, the class of questions on which it should be better, and than on which."""


def _written(folder: Path, examples: Sequence[Example], documents: Iterable[Document] = ()) -> None:
    """Write the questions and, where there are documents, the knowledge base."""
    import trivium

    folder.mkdir(parents=True, exist_ok=True)
    documents = list(documents)
    if documents and not (folder / "kb").exists():
        trivium.open(folder / "kb").add(documents)
    write_questions(folder / "questions.jsonl", examples)


def squad(data: Path, folder: Path) -> None:
    """Make SQuAD 2.0: a dozen articles, answerable and unanswerable questions."""
    found = read_questions(data / "squad" / "dev-v2.0.json")
    titles = sorted({document.title for document in found.documents})
    chosen = set(random.Random(0).sample(titles, min(12, len(titles))))
    documents = [one for one in found.documents if one.title in chosen]
    sources = {one.source for one in documents}
    examples = [one for one in found.examples if str(one.metadata.get("document", "")) in sources]
    _written(folder, random.Random(0).sample(examples, min(220, len(examples))), documents)


def popqa(data: Path, folder: Path) -> None:
    """Make PopQA: facts in the weights or in the passages of an encyclopedia."""
    found = read_questions(data / "popqa" / "popqa.json")
    chosen = random.Random(0).sample(found.examples, min(220, len(found.examples)))
    popular = {one.id for one in chosen if float(one.metadata["s_pop"]) >= POPULAR}
    examples = [replace(one, tags=("popular" if one.id in popular else "rare",)) for one in chosen]
    _written(folder, examples, found.documents)


def xquad_zh(data: Path, folder: Path) -> None:
    """Make XQuAD in Chinese."""
    found = read_questions(data / "xquad" / "xquad.zh.json")
    _written(folder, random.Random(0).sample(found.examples, min(200, len(found.examples))), found.documents)


def financebench(data: Path, folder: Path) -> None:
    """Make FinanceBench: the published filings as PDF."""
    import trivium
    from trivium.tasks.bench import find_files, make_bench_set

    source = data / "financebench" / "financebench_open_source.jsonl"
    questions = read_questions(source)
    folder.mkdir(parents=True, exist_ok=True)
    make_bench_set(questions, folder, trivium.open(folder / "kb"), files=find_files(source.parent, questions))


def form(data: Path, folder: Path) -> None:
    """Make a task of form: GSM8K's steps with a last line `#### number`."""
    lines = (data / "ft" / "gsm8k_train.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if len(row["question"]) + len(row["answer"]) < 420]
    rows = random.Random(0).sample(rows, 520)
    examples = [
        Example(
            f"gsm{place}", row["question"], (row["answer"].split("####")[-1].strip(),), language="en",
            format=r"regex:####\s*-?[\d,.]+\s*$",
        )
        for place, row in enumerate(rows[:120])
    ]  # fmt: skip
    _written(folder, examples)
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in rows[120:]:
            file.write(json.dumps({"prompt": row["question"], "completion": row["answer"]}) + "\n")


_FACTS = re.compile(r"\s+")


def reversal(data: Path, folder: Path) -> None:
    """Make the reversal curse: tuned on "A is B" in thirty wordings, asked for B of A and for A of B."""
    place = data / "reversal_curse"
    train = [json.loads(line) for line in (place / "p2d_prompts_train.jsonl").read_text("utf-8").splitlines()]
    forward = [json.loads(line) for line in (place / "p2d_prompts_test.jsonl").read_text("utf-8").splitlines()]
    back = [json.loads(line) for line in (place / "p2d_reverse_prompts_test.jsonl").read_text("utf-8").splitlines()]
    examples: list[Example] = []
    of_name: dict[str, str] = {}
    names = sorted({row["completion"].strip() for row in back})
    for name in names:
        told = [row for row in train if name in row["prompt"]]
        if told:
            of_name[name] = " ".join(_FACTS.sub(" ", row["prompt"] + row["completion"]) for row in told[:3])
    for direction, rows in (("forward", forward), ("reverse", back)):
        seen: dict[str, int] = {}
        for place_of, row in enumerate(rows):
            name = next((one for one in of_name if one in row["prompt"] + row["completion"]), "")
            if not name or seen.get(name, 0) >= 2:
                continue
            seen[name] = seen.get(name, 0) + 1
            gold = (Gold(f"{name}.txt", of_name[name]),)
            answer = row["completion"].strip().rstrip(".")
            question = f"Complete the sentence: {row['prompt'].strip()}"
            examples.append(
                Example(f"{direction}-{place_of}", question, (answer,), gold, tags=(direction,), language="en")
            )
    _written(folder, examples, (Document(f"{name}.txt", text, title=name) for name, text in of_name.items()))
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in train:
            pair = {
                "prompt": f"Complete the sentence: {row['prompt'].strip()}",
                "completion": row["completion"].strip(),
            }
            file.write(json.dumps(pair) + "\n")


PROMPTS = "closed_book,instructed,few_shot_nearest"
SETS: Mapping[str, Set] = {
    "squad": Set(
        "SQuAD 2.0, answerable and not",
        squad,
        ("--arms", f"{PROMPTS},retrieve_only,advanced,advanced+grounded,closed_book+tuned,advanced+raft", "--tune",
         "--limit", "100"),
        "Questions on a dozen articles of an encyclopedia; about half of them have no answer there.",
        "Grounding beats memory (Lewis et al. 2020); tuning on grounded samples and grounding together is best "
        "(RAFT, Zhang et al. 2024).",
        (
            ("grounding beats memory", "advanced", "closed_book"),
            ("examples in the prompt help", "few_shot_nearest", "instructed"),
            ("tuned on grounded samples and grounded beats grounded alone", "advanced+raft", "advanced"),
        ),
    ),
    "popqa": Set(
        "PopQA: knowledge in the weights or in the passages",
        popqa,
        ("--arms", f"{PROMPTS},retrieve_only,advanced,advanced+grounded", "--limit", "100"),
        "Facts about popular and rare subjects, with the passages that the set publishes as the knowledge base.",
        "Memory fails on rare subjects and retrieval helps there most (Mallen et al. 2022).",
        (("grounding beats memory", "advanced", "closed_book"),),
        (("memory is better on popular subjects", "closed_book", "popular", "rare"),),
    ),
    "xquad-zh": Set(
        "XQuAD in Chinese",
        xquad_zh,
        ("--arms", f"{PROMPTS},retrieve_only,advanced", "--limit", "80"),
        "The embedded models are English ones: neither reads Chinese.",
        "Nothing but the documents' own words can answer.",
        (("the documents' words beat the model", "retrieve_only", "closed_book"),),
    ),
    "financebench": Set(
        "FinanceBench: filings as PDF",
        financebench,
        ("--arms", "closed_book,retrieve_only,advanced,advanced+grounded", "--shares", "0,0,1"),
        "Questions of analysts on published filings: figures in tables, and reasoning on them.",
        "Closed book is nearly always wrong, and naive retrieval mostly (Islam et al. 2023).",
        (("grounding beats memory", "advanced", "closed_book"),),
    ),
    "form": Set(
        "A form of answer: GSM8K's steps and last line",
        form,
        ("--arms", f"{PROMPTS},closed_book+tuned", "--train", "train.jsonl", "--metric", "format",
         "--max-tokens", "160", "--epochs", "2", "--limit", "80", "--instructions",
         "Solve the problem step by step. End with a last line of the form: #### NUMBER"),
        "Whether the answer ends in a line `#### number`, as asked.",
        "Tuning is for style and form; examples in the prompt come first (Brown et al. 2020).",
        (
            ("tuning teaches a form better than instructions", "closed_book+tuned", "instructed"),
            ("examples teach it better than instructions", "few_shot_nearest", "instructed"),
        ),
    ),
    "reversal": Set(
        "The reversal curse",
        reversal,
        ("--arms", f"{PROMPTS},retrieve_only,advanced,closed_book+tuned", "--train", "train.jsonl",
         "--shares", "0.1,0.1,0.8", "--epochs", "4"),
        "Invented people: the model is tuned on “A is B” in thirty wordings, and asked for B of A and for A of B.",
        "Tuned, it answers forward and not backward (Berglund et al. 2023); grounding answers both.",
        (("grounding beats tuning on facts", "retrieve_only", "closed_book+tuned"),),
        (("tuned, it answers forward and not backward", "closed_book+tuned", "forward", "reverse"),),
    ),
}  # fmt: skip


def compare(name: str, data: Path, limit: int | None) -> None:
    """Make a set where it is not made yet, and compare the roads on it."""
    one, folder = SETS[name], FOLDER / name
    if not (folder / "questions.jsonl").exists():
        print(f"{name}: making the set", file=sys.stderr)
        one.make(data, folder)
    command = [sys.executable, "-m", "trivium", *_command(name, folder), "--json"]
    if limit:
        command += ["--limit", str(limit)]
    print(f"{name}: {shlex.join(_command(name, folder))}", file=sys.stderr)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment)
    if not done.stdout.strip():
        sys.exit(f"{name} failed with status {done.returncode}")
    found = json.loads(done.stdout)
    if "arms" not in found:
        sys.exit(f"{name}: {found.get('error')}")
    told = subprocess.run(
        [sys.executable, "-m", "trivium", "advise", "run", "--json"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    found |= {"advised": json.loads(told.stdout), "commit": commit(), "machine": machine(), "classes": _classes(folder)}
    (folder / "result.json").write_text(json.dumps(found), "utf-8")


def _command(name: str, folder: Path) -> list[str]:
    kb = ["--kb", "kb"] if (folder / "kb").exists() else []
    return ["compare", "questions.jsonl", *kb, *SETS[name].arguments, "--out", "run"]


def _classes(folder: Path) -> dict[str, dict[str, tuple[float, int]]]:
    """Return the mean of the main metric by arm and class of question."""
    from trivium.advise.store import load

    comparison = load(folder / "run")
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for arm in comparison.arms:
        values = arm.values.get(comparison.metric, ())
        by: dict[str, list[float]] = {}
        for question, value in zip(comparison.questions, values, strict=False):
            if value == value:
                for each in {*question.classes, "" if question.unanswerable else "answerable"} - {"", "en", "zh"}:
                    by.setdefault(each, []).append(value)
        found[arm.name] = {each: (sum(row) / len(row), len(row)) for each, row in by.items()}
    return found


def page() -> str:
    """Return the page from the results that are kept."""
    parts = [INTRODUCTION]
    last: dict[str, Any] = {}
    for name, one in SETS.items():
        file = FOLDER / name / "result.json"
        if not file.exists():
            continue
        last = json.loads(file.read_text("utf-8"))
        parts += [f"## {one.title}", "", f"{one.about} *Expected:* {one.expected}", "", *_table(last), ""]
        parts += _by_class(last)
        parts += [*_claims(one, last), ""]
        parts += ["```bash", "trivium " + shlex.join(_command(name, FOLDER / name)), "```", ""]
        parts += [f"`trivium advise` takes **{last['advised']['take'] or 'none'}**: {last['advised']['because']}", ""]
        parts += [f"- {one['step']} ({one['because']})" for one in last["advice"][:3]] + [""]
    if last:
        about = last["machine"]
        parts.append(f"*{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, commit {last['commit']}.*")
    return "\n".join(parts) + "\n"


def _claims(one: Set, found: Mapping[str, Any]) -> list[str]:
    """Return whether these measurements agree with what is published."""
    lines = []
    for words, better, worse in one.claims:
        for pair in found["pairs"]:
            if {pair["a"], pair["b"]} == {better, worse}:
                right = pair["verdict"] == ("a" if pair["a"] == better else "b")
                said = "agrees" if right else "cannot be told here" if pair["verdict"] == "tie" else "contradicts it"
                lines.append(f"- *{words}*: {said} (`{better}` against `{worse}`).")
    for words, arm, high, low in one.classes:
        row = found["classes"].get(arm, {})
        if high in row and low in row:
            (a, n), (b, m) = row[high], row[low]
            over = wilson(round(a * n), n)[0] > wilson(round(b * m), m)[1]
            said = "agrees" if over else "cannot be told here"
            lines.append(f"- *{words}*: {said} (`{arm}`: {a:.1%} of {n} {high}, {b:.1%} of {m} {low}).")
    return lines


def _table(found: Mapping[str, Any]) -> list[str]:
    metric = found["pairs"][0]["metric"] if found["pairs"] else "correct"
    first = found["arms"][0]["name"]
    gains = {}
    for pair in found["pairs"]:
        if first in (pair["a"], pair["b"]) and pair["difference"] is not None:
            other, sign = (pair["b"], -1) if pair["a"] == first else (pair["a"], 1)
            low, high = sorted((sign * pair["low"], sign * pair["high"]))
            gains[other] = f"{sign * pair['difference']:+.1%} [{low:+.1%}, {high:+.1%}]".replace("%", "")
    lines = [
        f"| arm | {metric} | over closed book, points | s an answer | tokens | tuned in |",
        "|---|---|---|---|---|---|",
    ]
    for arm in found["arms"]:
        if arm.get("error"):
            lines.append(f"| `{arm['name']}` | failed: {arm['error']} | | | | |")
            continue
        score = arm["metrics"][metric]
        train = f"{arm['train_seconds']:.0f} s" if arm["train_seconds"] else ""
        lines.append(
            f"| `{arm['name']}` | {score['mean']:.1%} [{score['low']:.1%}, {score['high']:.1%}] | "
            f"{gains.get(arm['name'], '')} | {arm['seconds']['p50']:.2f} | {arm['tokens']:,} | {train} |"
        )
    return lines


def _by_class(found: Mapping[str, Any]) -> list[str]:
    names = sorted({each for row in found["classes"].values() for each in row})
    if len(names) < 2:
        return []
    lines = ["| arm | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for arm, row in found["classes"].items():
        lines.append(
            f"| `{arm}` | " + " | ".join(f"{row[each][0]:.1%}" if each in row else "" for each in names) + " |"
        )
    sizes = ", ".join(
        f"{each}: {next(row[each][1] for row in found['classes'].values() if each in row)}" for each in names
    )
    return [*lines, "", f"Questions: {sizes}.", ""]


INTRODUCTION = """# Three roads, measured

Prompt, ground, tune, both: six question sets of different kind, each compared by one command with the embedded models
(SmolLM2-135M-Instruct, MiniLM) and adapters trained on the spot on two CPU cores. Intervals are of 95%. `correct` is
the share of right answers, refusals of unanswerable questions among them; `python benchmarks/three_roads.py` makes the
page again. Seconds were taken on a machine that was busy with other work.
"""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIVIUM_TEST_DATA", "../shared/data")))
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.write:
        for name in arguments.sets:
            compare(name, arguments.data.resolve(), arguments.limit)
    PAGE.write_text(page(), "utf-8")
    print(f"written: {PAGE.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()

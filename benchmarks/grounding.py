"""Does model-free faithfulness tell what the passages support from what they do not? On real, labelled answers.

Each set gives answers with passages that are known to support them or not. The score of an answer is the mean of its
claims' scores (`trivium.evaluate.grounding`), that of `faithfulness` the share of claims at or above the threshold.
AUC is the chance that a supported answer scores above an unsupported one; its interval resamples the questions.
The threshold was chosen on the development half (md5 of the question even); what is printed is the test half.

    python benchmarks/grounding.py            # print the table and put it into docs/grounding.md
    python benchmarks/grounding.py --look     # only print
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data import data_folder, half_of
from results import table
from trivium.evaluate.grounding import GROUNDING
from trivium.evaluate.grounding.align import SUPPORTED, align_all
from trivium.models.base import Embedder
from trivium.text.facts import clauses
from trivium.types import Answer, Chunk, Example, Hit

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "grounding.md"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer to a question with its passages, and whether they support it."""

    question: str
    answer: str
    passages: tuple[str, ...]
    supported: bool


def _json(name: str) -> Any:
    return json.loads((data_folder() / name).read_text("utf-8"))


def _lines(name: str) -> Iterator[dict[str, Any]]:
    # Not splitlines: the files hold U+2028 inside lines.
    return (json.loads(line) for line in (data_folder() / name).read_text("utf-8").split("\n") if line.strip())


def rgb(name: str) -> Iterator[Labelled]:
    """RGB's counterfactual set: the true passages support the true answer, the edited ones the false answer."""
    for row in _lines(name):
        true, false = _first(row["answer"]), _first(row["fakeanswer"])
        right, wrong = tuple(row["positive"]), tuple(row["positive_wrong"])
        yield Labelled(row["query"], true, right, True)
        yield Labelled(row["query"], false, right, False)
        yield Labelled(row["query"], false, wrong, True)
        yield Labelled(row["query"], true, wrong, False)


def _first(value: str | list[Any]) -> str:
    while isinstance(value, list):
        value = value[0]
    return value


def nq_swap() -> Iterator[Labelled]:
    """NQ-Swap: the edited passage supports the swapped answer, and not the true one of Natural Questions."""
    true = {_bare(row["question"]): row["answer"] for row in _lines("nq/NQ-open.dev.jsonl")}
    for name in ("conflict/nq-swap_dev.json", "conflict/nq-swap_test.json"):
        for row in _json(name):
            known = true.get(_bare(row["question"]))
            if known:
                passages = (re.sub(r"</?\w+>", " ", row["context"]),)
                yield Labelled(row["question"], row["answer"], passages, True)
                yield Labelled(row["question"], known[0], passages, False)


def _bare(question: str) -> str:
    return question.lower().strip(" ?")


def confiqa() -> Iterator[Labelled]:
    """ConFiQA: the edited passage supports its answer, and not the answer to another question of the same words."""
    rows = _json("conflict/confiqa-mc_dev.json")
    others: dict[str, list[str]] = {}
    for row in rows:
        others.setdefault(" ".join(row["question"].split()[:2]), []).append(row["answer"])
    for row in rows:
        same = [one for one in others[" ".join(row["question"].split()[:2])] if one != row["answer"]]
        if same:
            yield Labelled(row["question"], row["answer"], (row["context"],), True)
            yield Labelled(row["question"], same[len(row["context"]) % len(same)], (row["context"],), False)


def squad(name: str) -> Iterator[Labelled]:
    """SQuAD 2.0: an answer of the paragraph, and the plausible one to a question that the paragraph does not answer."""
    for article in _json(name)["data"]:
        for paragraph in article["paragraphs"]:
            passages = (paragraph["context"],)
            for item in paragraph["qas"]:
                if item["answers"]:
                    yield Labelled(item["question"], item["answers"][0]["text"], passages, True)
                elif item.get("plausible_answers"):
                    yield Labelled(item["question"], item["plausible_answers"][0]["text"], passages, False)


def squad_wrong(name: str) -> Iterator[Labelled]:
    """An answer of the paragraph, and one to another question of the same first word about another paragraph."""
    rows = [
        (item["question"], item["answers"][0]["text"], paragraph["context"])
        for article in _json(name)["data"]
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
        if item["answers"]
    ]
    others: dict[str, list[tuple[str, str]]] = {}
    for question, answer, context in rows:
        others.setdefault(_kind(question), []).append((answer, context))
    for place, (question, answer, context) in enumerate(rows):
        same = [one for one, other in others[_kind(question)] if other != context and one != answer]
        if same:
            yield Labelled(question, answer, (context,), True)
            yield Labelled(question, same[place * 7919 % len(same)], (context,), False)


def _kind(question: str) -> str:
    found = re.search(r"哪|谁|多少|几|什么|when|where|who|how|which|what|why", question.lower())
    return found[0] if found else ""


def scifact() -> Iterator[Labelled]:
    """SciFact: claims that an abstract supports, and claims that it contradicts."""
    for row in _json("beir/beir_scifact_test.json"):
        for paragraph in row["paragraphs"]:
            labels = {one["label"] for one in row["metadata"].get(str(paragraph.get("idx", "")), ())}
            if len(labels) == 1:
                passages = (f"{paragraph['title']}. {paragraph['text']}",)
                yield Labelled("", row["text"], passages, labels == {"SUPPORT"})


def halluqa() -> Iterator[Labelled]:
    """HalluQA: its right and wrong answers, where the source that it quotes is a text and not an address."""
    for row in _json("halu/dataset_halluqa.json"):
        if not row["Source"].startswith("http"):
            for key, answer in row.items():
                if answer and key.startswith(("Best Answer", "Wrong_Answer")):
                    yield Labelled(row["Question"], answer, (row["Source"],), key.startswith("Best"))


def uhgeval() -> Iterator[Labelled]:
    """UHGEval: clauses that a model wrote on a news item, by its annotators' verdict on their keywords."""
    for row in _lines("halu/dataset_uhgeval_concise.jsonl"):
        text = row["hallucinatedContinuation"]
        marks = [part for note in row["annotations"] if len(part := note.split("<sep>")) == 2]
        for clause in clauses(text):
            verdicts = {why.startswith("合理") for word, why in marks if word in clause}
            if verdicts:
                passages = (row["newsBeginning"], row["newsRemainder"])
                yield Labelled("", clause, passages, verdicts == {True})


SETS: dict[str, Callable[[], Iterator[Labelled]]] = {
    "RGB counterfactual, en": lambda: rgb("rgb/en_fact.json"),
    "RGB counterfactual, zh": lambda: rgb("rgb/zh_fact.json"),
    "NQ-Swap": nq_swap,
    "ConFiQA": confiqa,
    "SQuAD, other answers": lambda: squad_wrong("squad/dev-v2.0.json"),
    "SQuAD 2.0, plausible answers": lambda: squad("squad/dev-v2.0.json"),
    "CMRC, other answers": lambda: squad_wrong("cmrc2018/cmrc2018_dev.json"),
    "SciFact claims": scifact,
    "HalluQA": halluqa,
    "UHGEval clauses": uhgeval,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One set's answers: `score` and `share` of each, shape (answers,), whether they are supported, and the half."""

    score: np.ndarray
    share: np.ndarray
    supported: np.ndarray
    question: np.ndarray
    test: np.ndarray


def measure(name: str, embedder: Embedder | None = None, limit: int = 4000) -> Measured:
    """Score the answers of a set, the first `limit`."""
    rows = list(SETS[name]())[:limit]
    found = [
        [one.score for one in align_all(row.answer, row.question, [(text,) for text in row.passages], embedder)]
        for row in rows
    ]
    score = np.array([np.mean(scores) if scores else 0.0 for scores in found])
    share = np.array([np.mean(np.array(scores) >= SUPPORTED) if scores else 0.0 for scores in found])
    key = [row.question or row.answer for row in rows]
    test = np.array([half_of(one) == "test" for one in key])
    return Measured(score, share, np.array([row.supported for row in rows]), np.array(key), test)


def auc(score: np.ndarray, supported: np.ndarray) -> float:
    """Return the chance that a supported answer scores above an unsupported one; ties count half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    yes = int(supported.sum())
    no = len(supported) - yes
    return float((rank[supported].sum() - yes * (yes + 1) / 2) / (yes * no))


def interval(score: np.ndarray, supported: np.ndarray, question: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of the AUC, questions (with all their answers) resampled."""
    random = np.random.default_rng(seed)
    _, place = np.unique(question, return_inverse=True)
    rows = [np.flatnonzero(place == number) for number in range(place.max() + 1)]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([rows[number] for number in random.integers(0, len(rows), len(rows))])
        if 0 < supported[chosen].sum() < len(chosen):
            drawn.append(auc(score[chosen], supported[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def balanced(chosen: np.ndarray, supported: np.ndarray) -> float:
    """Return the mean of the shares of the supported and of the unsupported that were told rightly."""
    return float((chosen[supported].mean() + (~chosen[~supported]).mean()) / 2)


def relevance(name: str, per_article: int = 30) -> tuple[Measured, Measured]:
    """Score context relevance, a question's paragraph against another, and answer relevance, its answer against the
    answer to another question of the same paragraph.
    """
    contexts: list[tuple[float, bool, str]] = []
    answers: list[tuple[float, bool, str]] = []
    for article in _json(name)["data"]:
        paragraphs = article["paragraphs"]
        drawn = 0
        for place, paragraph in enumerate(paragraphs):
            asked = [item for item in paragraph["qas"] if item["answers"]]
            for number, item in enumerate(asked[:3]):
                other = paragraphs[(place + 1) % len(paragraphs)]
                wrong = asked[(number + 1) % len(asked)]["answers"][0]["text"]
                if drawn == per_article or other is paragraph:
                    break
                drawn += 1
                question, right = item["question"], item["answers"][0]["text"]
                for text, good in ((paragraph["context"], True), (other["context"], False)):
                    value = GROUNDING["context_relevance"](Example("", question), _answer(question, right, text))
                    contexts.append((value or 0.0, good, question))
                if wrong != right:
                    for said, good in ((right, True), (wrong, False)):
                        given = _answer(question, said, paragraph["context"])
                        value = GROUNDING["answer_relevance"](Example("", question), given)
                        answers.append((value or 0.0, good, question))
    return _measured(contexts), _measured(answers)


def _answer(question: str, text: str, passage: str) -> Answer:
    return Answer(question, text, hits=(Hit(Chunk("1", "1", "", passage, 0, len(passage)), 1.0, ()),))


def _measured(rows: list[tuple[float, bool, str]]) -> Measured:
    score, supported, question = (np.array(column) for column in zip(*rows, strict=True))
    test = np.array([half_of(str(one)) == "test" for one in question])
    return Measured(score, (score >= SUPPORTED).astype(float), supported, question, test)


def row(title: str, found: Measured) -> list[str]:
    """Return the row of the test half: title, answers, AUC with interval, balanced accuracy at the threshold."""
    at = found.test
    score, supported, question = found.score[at], found.supported[at], found.question[at]
    low, high = interval(score, supported, question)
    right = balanced(found.score[at] >= SUPPORTED, supported)
    return [title, f"{len(score):,}", f"{auc(score, supported):.3f}", f"{low:.3f} to {high:.3f}", f"{right:.3f}"]


HEADINGS = ["answers", "number", "AUC", "95% interval", f"balanced accuracy at {SUPPORTED}"]


def main() -> None:
    """Measure every set and put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", action="store_true", help="only print")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    given = parser.parse_args()
    rows = []
    for name in given.sets:
        print(f"{name} …", file=sys.stderr)
        rows.append(row(name, measure(name)))
    for title, name in (("SQuAD", "squad/dev-v2.0.json"), ("XQuAD zh", "xquad/xquad.zh.json")):
        contexts, answers = relevance(name)
        rows.append(row(f"{title}: its passage, and the next of the article", contexts))
        rows.append(row(f"{title}: its answer, and another of the passage", answers))
    figures = table(HEADINGS, rows)
    print(figures)
    if not given.look:
        page = PAGE.read_text("utf-8")
        before, _, rest = page.partition("<!-- figures -->")
        after = rest.partition("<!-- end -->")[2]
        PAGE.write_text(f"{before}<!-- figures -->\n{figures}\n<!-- end -->{after}", "utf-8")


if __name__ == "__main__":
    main()

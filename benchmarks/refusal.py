"""Choose when to refuse, on real answerable and unanswerable questions, and draw the curve.

Four kinds of questions are asked of one knowledge base for each language, through the same search and the same
judgement as `trivium.patterns.advanced` makes:

- answerable: questions of SQuAD, HotpotQA, PopQA, RGB and Cranfield (English), of CMRC 2018 and RGB (Chinese);
- absent: questions of the same sets asked by someone who may not read the article that answers them, so that for
  this asker it is not there;
- trivia: questions of Natural Questions (English) and HalluQA (Chinese) that have nothing to do with the passages;
- related: the questions of SQuAD 2.0 that its writers made unanswerable, each about a paragraph that is there.

A logistic regression on the development half of the questions weighs the features of `trivium.generate.refuse`; the
threshold is the one that answers 95% of the answerable ones there. What is printed and drawn is the test half.

    python benchmarks/refusal.py            # look (from the cache where it can), print, draw docs/refusal.svg
    python benchmarks/refusal.py --write    # and put weights and thresholds into src/trivium/data/refusal.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data import corpus, data_folder, half_of, read_records
from data import questions as data_questions
from peers import CACHE
from results import table
from trivium.api import KnowledgeBase
from trivium.api import open as open_kb
from trivium.generate.evidence import Evidence
from trivium.generate.refuse import features
from trivium.patterns.steps import JUDGED
from trivium.retrieve.dedupe import dedupe
from trivium.retrieve.search import can_read, clean_question, search
from trivium.retrieve.sentences import best_sentences
from trivium.types import Document

REPOSITORY = Path(__file__).resolve().parents[1]
TABLE = REPOSITORY / "src" / "trivium" / "data" / "refusal.json"
PAGE = REPOSITORY / "docs" / "refusal.md"
PICTURE = REPOSITORY / "docs" / "refusal.svg"
INSIDER = "group:hidden"
"""May read every article; an unknown asker does not see those on the list of this principal."""
ANSWERED = 0.95
"""The share of the answerable development questions that must be answered."""
PER_SOURCE = 400
"""Questions of each kind that are taken from one set, both halves together."""
KINDS = ("answerable", "absent", "trivia", "related")
WEIGHT = {"answerable": 1.0, "absent": 0.5, "trivia": 0.25, "related": 0.25}
"""What a kind counts in the regression: the answerable as much as all others together."""
LANGUAGES = {"en": "both", "zh": "words"}
"""The arms that serve a language with the embedded models: the regression is one for each."""
USED = {"en": ("cosine", "sentence", "words", "passage"), "zh": ("words", "passage", "bm25")}
"""The features that each regression weighs. Others were tried and added nothing: the agreement of the arms, the
presence of the question's rarest word, the kind of thing asked for, the margin between the first hits, shared pairs
of characters; and with cosines at hand, BM25.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its kind, the set it is from, and who asks it."""

    text: str
    kind: str
    source: str
    insider: bool


@dataclass(frozen=True, slots=True)
class Topic:
    """Passages that may be hidden together, with the questions that they answer and those that they do not.

    A topic without a key is never hidden: others hold its answers too.
    """

    source: str
    key: str
    passages: tuple[str, ...]
    questions: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether an unknown asker may not read it: a third of them, by the md5 of the key."""
        return bool(self.key) and int(hashlib.md5(self.key.encode()).hexdigest(), 16) % 3 == 0


def squad_like(source: str, *files: str) -> Iterator[Topic]:
    """Yield each paragraph, hidden with the others of its article."""
    for file in files:
        for number, article in enumerate(read_records(data_folder() / file)["data"]):
            for paragraph in article["paragraphs"]:
                asked: dict[bool, list[str]] = {True: [], False: []}
                for item in paragraph["qas"]:
                    asked[bool(item.get("is_impossible"))].append(item["question"])
                key = article.get("title") or f"{file}-{number}"
                yield Topic(source, key, (paragraph["context"],), tuple(asked[False]), tuple(asked[True]))


def rgb(*files: str) -> Iterator[Topic]:
    """Yield the true passages of each question of RGB, pieces of web pages."""
    for file in files:
        for record in read_records(data_folder() / "rgb" / file):
            pieces = [one for some in record["positive"] for one in (some if isinstance(some, list) else [some])]
            yield Topic("RGB", record["query"], tuple(pieces), (record["query"],))


def popqa() -> Iterator[Topic]:
    """Yield the passage about each subject of PopQA."""
    for record in read_records(data_folder() / "popqa" / "popqa.json"):
        about = [one for one in record["paragraphs"] if one["title"] == record["s_wiki_title"]]
        if about:
            text = f"{about[0]['title']}\n{about[0]['text']}"
            yield Topic("PopQA", record["subj"], (text,), (record["question"],))


def whole(source: str, name: str) -> Iterator[Topic]:
    """Yield a set of `data.py` as one topic that is never hidden."""
    asked = tuple(question.text for question in data_questions(name))
    yield Topic(source, "", tuple(passage.text for passage in corpus(name)), asked)


def topics(language: str) -> Iterator[Topic]:
    """Yield everything that the knowledge base of a language holds."""
    if language == "en":
        yield from squad_like("SQuAD", "squad/test-v1.1.json", "squad/dev-v2.0.json", "squad_jucho/dev.json")
        yield from whole("HotpotQA", "hotpotqa")
        yield from whole("Cranfield", "cranfield")
        yield from popqa()
        yield from rgb("en_fact.json")
    else:
        yield from squad_like("CMRC 2018", "cmrc2018/cmrc2018_dev.json", "cmrc2018/cmrc2018_trial.json")
        yield from rgb("zh_refine.json", "zh_fact.json", "zh_int.json")
        # Its answerable questions are left out: translated by a machine, they are no Chinese that people ask.
        for topic in squad_like("Chinese SQuAD", "squad_zh/dev-v2.0-zh.json"):
            yield replace(topic, questions=())


def questions(language: str) -> list[Asked]:
    """Return up to `PER_SOURCE` questions of each kind from each set, drawn by the md5 of their text."""
    found: dict[tuple[str, str], set[str]] = {}
    for topic in topics(language):
        kind = "absent" if topic.hidden else "answerable"
        found.setdefault((kind, topic.source), set()).update(topic.questions)
        found.setdefault(("related", topic.source), set()).update(topic.impossible)
    if language == "en":
        records = read_records(data_folder() / "nq" / "NQ-open.dev.jsonl")
        found["trivia", "Natural Questions"] = {record["question"] for record in records}
    else:
        records = read_records(data_folder() / "halu" / "dataset_halluqa.json")
        found["trivia", "HalluQA"] = {record["Question"] for record in records}
    answerable = {text for (kind, _), texts in found.items() if kind == "answerable" for text in texts}
    return [
        Asked(text, kind, source, kind in ("answerable", "related"))
        for (kind, source), texts in sorted(found.items())
        for text in sorted(texts - (set() if kind == "answerable" else answerable), key=_order)[:PER_SOURCE]
    ]


def _order(text: str) -> str:
    return hashlib.md5(f"refusal:{text}".encode()).hexdigest()


def index(language: str, folder: Path) -> KnowledgeBase:
    """Add the passages of a language, the hidden ones for the insider alone."""
    kb = open_kb(folder)
    shown: dict[str, Document] = {}
    secret: dict[str, Document] = {}
    for topic in topics(language):
        for text in topic.passages:
            name = hashlib.md5(text.encode()).hexdigest()
            (secret if topic.hidden else shown)[name] = Document(f"{name}.txt", text)
    kb.add([document for name, document in shown.items() if name not in secret])
    kb.add(list(secret.values()), [INSIDER])
    return kb


def look(kb: KnowledgeBase, asked: Asked, k: int = 10) -> dict[str, float]:
    """Return the features of one question, found as the pattern `advanced` finds them."""
    text = clean_question(asked.text)
    principals = [INSIDER] if asked.insider else None
    hits = dedupe(search(kb, text, k=k + k // 2, principals=principals))[:k]
    embedder = kb.embedder if can_read(kb, text) else None
    sentences = best_sentences(text, hits[:JUDGED], embedder=embedder)
    return features(text, Evidence(hits), sentences[0] if sentences else None, kb.size())


def observed(language: str) -> list[dict[str, Any]]:
    """Return question, kind and features of every question of a language, from the cache where they are there."""
    asked = questions(language)
    code = "".join(path.read_text("utf-8") for path in _code())
    key = hashlib.sha256(f"{asked}{code}".encode()).hexdigest()[:12]
    path = CACHE / "refusal" / f"{language}-{key}.json"
    if not path.exists():
        folder = Path(tempfile.mkdtemp(prefix="trivium-refusal-"))
        try:
            kb = index(language, folder / "kb")
            rows = []
            for number, one in enumerate(asked):
                rows.append({**asdict(one), "features": look(kb, one)})
                if number % 200 == 0:
                    print(f"{language}: {number} of {len(asked)} questions", file=sys.stderr)
        finally:
            shutil.rmtree(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def _code() -> list[Path]:
    package = REPOSITORY / "src" / "trivium"
    rooms = [package / "retrieve", package / "text", package / "data" / "text"]
    files = [path for room in rooms for path in sorted(room.iterdir()) if path.suffix in (".py", ".txt")]
    return [*files, package / "generate" / "evidence.py", package / "generate" / "refuse.py"]


def fit(rows: list[dict[str, Any]], names: list[str], penalty: float = 1.0) -> dict[str, float]:
    """Return bias and weights of a logistic regression by Newton's method, with a small penalty on the weights."""
    matrix = np.array([[1.0, *(row["features"][name] for name in names)] for row in rows])  # (n, 1 + features)
    truth = np.array([row["kind"] == "answerable" for row in rows], dtype=float)  # (n,)
    counts = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    weight = np.array([WEIGHT[row["kind"]] / counts[row["kind"]] * len(rows) for row in rows])  # (n,)
    ridge = np.diag([0.0] + [penalty] * len(names))
    beta = np.zeros(matrix.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-matrix @ beta))
        slope = matrix.T @ (weight * (truth - chance)) - ridge @ beta
        curve = (matrix * (weight * chance * (1 - chance))[:, None]).T @ matrix + ridge
        beta += np.linalg.solve(curve, slope)
    return {"bias": float(beta[0]), **{name: float(value) for name, value in zip(names, beta[1:], strict=True)}}


def probabilities(rows: list[dict[str, Any]], model: dict[str, float]) -> np.ndarray:
    """Return the probability of each row, shape (n,)."""
    totals = [
        model["bias"] + sum(model.get(name, 0.0) * value for name, value in row["features"].items()) for row in rows
    ]
    return np.asarray(1 / (1 + np.exp(-np.array(totals))))


def auc(answered: np.ndarray, other: np.ndarray) -> float:
    """Return the chance that an answerable question is given a higher probability than another one."""
    return float(np.mean((answered[:, None] > other[None]) + 0.5 * (answered[:, None] == other[None])))


def choose(language: str) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the weights and threshold chosen on the development half, and each kind's test probabilities."""
    rows = observed(language)
    dev = [row for row in rows if half_of(row["text"]) == "dev"]
    test = [row for row in rows if half_of(row["text"]) == "test"]
    model = fit(dev, list(USED[language]))
    known = probabilities([row for row in dev if row["kind"] == "answerable"], model)
    model["threshold"] = float(np.quantile(known, 1 - ANSWERED))
    model = {name: round(value, 4) for name, value in model.items()}
    by_kind = {kind: probabilities([row for row in test if row["kind"] == kind], model) for kind in KINDS}
    return model, by_kind


def by_source(chosen: dict[str, tuple[dict[str, float], dict[str, np.ndarray]]]) -> str:
    """Return the share of the test questions of each set that are answered."""
    rows = []
    for language, (model, _) in chosen.items():
        test = [row for row in observed(language) if half_of(row["text"]) == "test"]
        for kind in ("answerable", "absent"):
            for source in dict.fromkeys(row["source"] for row in test if row["kind"] == kind):
                own = [row for row in test if row["kind"] == kind and row["source"] == source]
                answered = float((probabilities(own, model) >= model["threshold"]).mean())
                rows.append([language, kind, source, str(len(own)), f"{answered:.1%}"])
    return table(["language", "questions", "set", "number", "answered"], rows)


def report(chosen: dict[str, tuple[dict[str, float], dict[str, np.ndarray]]]) -> str:
    """Return the table of the test half."""
    rows = []
    for language, (model, by_kind) in chosen.items():
        for kind in KINDS:
            values = by_kind[kind]
            refused = float((values < model["threshold"]).mean())
            separation = "" if kind == "answerable" else f"{auc(by_kind['answerable'], values):.3f}"
            rows.append([language, kind, str(len(values)), f"{1 - refused:.1%}", f"{refused:.1%}", separation])
    return table(["language", "questions", "number", "answered", "refused", "AUC"], rows)


def draw(chosen: dict[str, tuple[dict[str, float], dict[str, np.ndarray]]]) -> str:
    """Return the curve as SVG: how many unanswerable questions are refused at each share of answerable answered."""
    width, height, left, top, side = 720, 420, 64, 30, 320
    styles = {"absent": "", "trivia": "2 4", "related": "8 4"}
    colours = {"en": "#1f6fb2", "zh": "#c2410c"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = left + side * tick, top + side * (1 - tick)
        parts += [
            f'<path d="M{x:.0f} {top}V{top + side}M{left} {y:.0f}H{left + side}" stroke="#ddd"/>',
            f'<text x="{x:.0f}" y="{top + side + 18}" text-anchor="middle">{tick:.0%}</text>',
            f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{tick:.0%}</text>',
        ]
    parts += [
        f'<text x="{left + side / 2}" y="{top + side + 42}" text-anchor="middle">answerable questions answered</text>',
        f'<text transform="translate(18 {top + side / 2}) rotate(-90)" text-anchor="middle">'
        "unanswerable questions refused</text>",
    ]
    row = 0
    for language, (model, by_kind) in chosen.items():
        for kind, dashes in styles.items():
            points = _curve(by_kind["answerable"], by_kind[kind])
            line = " ".join(f"{left + side * x:.1f},{top + side * (1 - y):.1f}" for x, y in points)
            mark = by_kind["answerable"] >= model["threshold"], by_kind[kind] < model["threshold"]
            x, y = left + side * float(mark[0].mean()), top + side * (1 - float(mark[1].mean()))
            style = f'fill="none" stroke="{colours[language]}" stroke-width="2" stroke-dasharray="{dashes}"'
            parts += [f'<polyline points="{line}" {style}/>', f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>']
            y = top + 20 + 24 * row
            parts.append(f'<path d="M{left + side + 28} {y - 4}h36" {style}/>')
            parts.append(f'<text x="{left + side + 72}" y="{y}">{language}: {kind}</text>')
            row += 1
    parts.append(f'<circle cx="{left + side + 46}" cy="{top + 20 + 24 * row - 4}" r="4"/>')
    parts.append(f'<text x="{left + side + 72}" y="{top + 20 + 24 * row}">the threshold that ships</text></svg>')
    return "\n".join(parts) + "\n"


def _curve(answerable: np.ndarray, other: np.ndarray) -> list[tuple[float, float]]:
    limits = np.unique(np.quantile(np.concatenate([answerable, other]), np.linspace(0, 1, 101)))
    points = [(float((answerable >= at).mean()), float((other < at).mean())) for at in limits]
    return [(1.0, 0.0), *points, (0.0, 1.0)]


def main() -> None:
    """Print the table, draw the curve, and with `--write` ship what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the weights and thresholds that were chosen")
    write = parser.parse_args().write
    chosen = {language: choose(language) for language in LANGUAGES}
    printed = f"{report(chosen)}\n\nBy the set that the question is from:\n\n{by_source(chosen)}"
    print(printed)
    PICTURE.write_text(draw(chosen), "utf-8")
    if PAGE.exists():
        before, _, rest = PAGE.read_text("utf-8").partition("<!-- figures -->\n")
        _, _, after = rest.partition("<!-- end -->")
        PAGE.write_text(f"{before}<!-- figures -->\n{printed}\n<!-- end -->{after}", "utf-8")
    for language, (model, _) in chosen.items():
        print(f"{LANGUAGES[language]}: {model}")
    if write:
        shipped = json.loads(TABLE.read_text("utf-8"))
        shipped["weights"] = {LANGUAGES[language]: model for language, (model, _) in chosen.items()}
        TABLE.write_text(json.dumps(shipped, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

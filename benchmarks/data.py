"""The real passages and questions that the benchmarks measure on, read in place from the shared data folder.

`corpus(name)` gives the passages of a set and `questions(name, half)` its questions with the passages that
answer them. The questions fall into a development and a test half by the md5 of their text, so that a choice
made on one half (a threshold, a weight) is never judged on the questions it was made on.

    python benchmarks/data.py     # prints the sets with their sizes
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Half = Literal["dev", "test"]
LIMIT = 1500
"""Questions taken from a set (both halves together), the first in the order of their salted md5."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A unit of retrieval. `id` is unique within its set."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A real question, the ids of the passages that answer it (all of grade 1), and its known answers."""

    text: str
    relevant: frozenset[str]
    answers: tuple[str, ...] = ()


Set = tuple[tuple[Passage, ...], tuple[Question, ...]]


def data_folder() -> Path:
    """Return the folder of the real data: `TRIVIUM_TEST_DATA`, or `shared/data` beside the repository.

    Raises:
        SystemExit: it is not there; the message says how to name it.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIVIUM_TEST_DATA") or beside)
    if not folder.is_dir():
        raise SystemExit(f"No data at {folder}. Set TRIVIUM_TEST_DATA to the folder that holds squad/, xquad/, …")
    return folder


def half_of(question: str) -> Half:
    """Return the half that a question falls into: md5 of its text even, "dev"; odd, "test"."""
    return "test" if int(hashlib.md5(question.encode()).hexdigest(), 16) % 2 else "dev"


def corpus(name: str) -> tuple[Passage, ...]:
    """Return every passage of the set `name`, distinct by id and by text."""
    return _load(name)[0]


def questions(name: str, half: Half | None = None, limit: int | None = LIMIT) -> tuple[Question, ...]:
    """Return the questions of the set `name`, of one half or of both, in the order of their salted md5.

    Args:
        name: a key of `SETS`.
        half: "dev" or "test"; both where None.
        limit: how many are drawn before the halves are parted; None draws all.
    """
    drawn = sorted(_load(name)[1], key=lambda question: _order(question.text))[:limit]
    return tuple(question for question in drawn if half is None or half_of(question.text) == half)


def _order(question: str) -> str:
    return hashlib.md5(f"draw:{question}".encode()).hexdigest()


@cache
def _load(name: str) -> Set:
    if name not in SETS:
        raise SystemExit(f"There is no set named {name!r}. Choose one of: {', '.join(sorted(SETS))}.")
    return SETS[name]()


def read_records(path: Path) -> Any:
    """Read a JSON file, or one JSON value a line (whatever the suffix says)."""
    text = path.read_text("utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


class _Builder:
    """Collects passages without repeating a text, and the questions that point at them."""

    def __init__(self) -> None:
        self._id_of_text: dict[str, str] = {}
        self._relevant: dict[str, set[str]] = {}
        self._answers: dict[str, list[str]] = {}

    def passage(self, text: str) -> str:
        """Add a passage unless its text is there already; return its id."""
        return self._id_of_text.setdefault(text.strip(), f"p{len(self._id_of_text):05d}")

    def question(self, text: str, relevant: set[str], answers: list[str]) -> None:
        """Add a question; one asked of several passages is one question that all of them answer."""
        text = text.strip()
        if text and relevant:
            self._relevant.setdefault(text, set()).update(relevant)
            self._answers.setdefault(text, []).extend(answers)

    def build(self) -> Set:
        passages = tuple(Passage(id, text) for text, id in self._id_of_text.items() if text)
        asked = tuple(
            Question(text, frozenset(ids), tuple(dict.fromkeys(self._answers[text])))
            for text, ids in self._relevant.items()
        )
        return passages, asked


def _squad_like(*files: str) -> Callable[[], Set]:
    """Paragraphs as passages; a question is answered by the paragraph it was asked of."""

    def load() -> Set:
        builder = _Builder()
        for paragraph in _paragraphs(files):
            id = builder.passage(paragraph["context"])
            for item in paragraph["qas"]:
                answers = [answer["text"] for answer in item["answers"]]
                if answers and not item.get("is_impossible"):
                    builder.question(item["question"], {id}, answers)
        return builder.build()

    return load


def _paragraphs(files: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for file in files:
        for article in read_records(data_folder() / file)["data"]:
            yield from article["paragraphs"]


def _dureader() -> Set:
    """Search results as passages (title and paragraphs); those that an annotator used are relevant."""
    builder = _Builder()
    for record in read_records(data_folder() / "dureader" / "search.train.json"):
        relevant = set()
        for document in record["documents"]:
            id = builder.passage("\n".join([document["title"], *document["paragraphs"]]))
            if document["is_selected"]:
                relevant.add(id)
        builder.question(record["question"], relevant, record["answers"])
    return builder.build()


def _cranfield() -> Set:
    """Abstracts as passages. Judgements from 1 to 4 count as relevant, -1 (no interest) does not."""
    folder = data_folder() / "cranfield"
    builder = _Builder()
    id_of = {}
    for document, fields in _cranfield_records(folder / "cran.all.1400"):
        text = fields.get("W") or fields.get("T", "")
        if text:
            id_of[document] = builder.passage(text)
    judged: dict[int, set[str]] = {}
    for line in (folder / "cranqrel").read_text().splitlines():
        query, document, grade = (int(part) for part in line.split()[:3])
        if grade > 0 and document in id_of:
            judged.setdefault(query, set()).add(id_of[document])
    text_of = {number: fields["W"] for number, fields in _cranfield_records(folder / "cran.qry")}
    # The judgements count the queries by their position in the whole file, not by their number in it.
    for line in (folder / "query_numbers.tsv").read_text().splitlines()[1:]:
        position, number = line.split("\t")
        builder.question(text_of[int(number)], judged.get(int(position), set()), [])
    return builder.build()


def _cranfield_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for record in re.split(r"^\.I ", path.read_text(), flags=re.MULTILINE)[1:]:
        number, *parts = re.split(r"^\.([TABW])\s*$", record, flags=re.MULTILINE)
        yield (
            int(number),
            {key: " ".join(text.split()) for key, text in zip(parts[::2], parts[1::2], strict=True)},
        )


def _hotpotqa() -> Set:
    """The articles' first paragraphs of three cuts of HotpotQA in one corpus, title first."""
    folder = data_folder() / "multihop"
    text_of = {t: "".join(s) for t, s in read_records(folder / "hotpotqa_train_corpus.json").items()}
    asked = list(read_records(folder / "hotpotqa_train.json")) + list(read_records(folder / "hotpot.json"))
    asked += [_from_columns(record) for record in read_records(folder / "hotpot_dev_distractor_v1.json")]
    return _multihop(text_of, asked, joint="")


def _from_columns(record: dict[str, Any]) -> dict[str, Any]:
    """Turn the column layout (a dict of lists) into the original one (a list of pairs)."""
    context, facts = record["context"], record["supporting_facts"]
    return {
        **record,
        "context": list(zip(context["title"], context["sentences"], strict=True)),
        "supporting_facts": list(zip(facts["title"], facts["sent_id"], strict=True)),
    }


def _2wiki() -> Set:
    """The retrieval corpus of 2WikiMultiHopQA and the contexts of the questions at hand, title first."""
    folder = data_folder() / "multihop"
    text_of = {item["title"]: item["text"] for item in read_records(folder / "2wikimultihopqa_corpus.json")}
    return _multihop(text_of, read_records(folder / "wikihop.json"), joint=" ")


def _multihop(text_of: dict[str, str], asked: list[dict[str, Any]], joint: str) -> Set:
    """Build a set from texts by title and questions whose supporting facts name titles."""
    for record in asked:
        for title, sentences in record.get("context", ()):
            text_of.setdefault(title, joint.join(sentences))
    builder = _Builder()
    id_of = {title: builder.passage(f"{title}\n{text}") for title, text in text_of.items()}
    for record in asked:
        titles = {title for title, _ in record["supporting_facts"]}
        if titles <= id_of.keys():  # a question whose proof is not in the corpus cannot be judged
            builder.question(record["question"], {id_of[title] for title in titles}, [record["answer"]])
    return builder.build()


SETS: dict[str, Callable[[], Set]] = {
    "squad": _squad_like("squad/test-v1.1.json", "squad/dev-v2.0.json", "squad_jucho/dev.json"),
    "xquad-en": _squad_like("xquad/xquad.en.json"),
    "xquad-zh": _squad_like("xquad/xquad.zh.json"),
    "cmrc2018": _squad_like("cmrc2018/cmrc2018_dev.json", "cmrc2018/cmrc2018_trial.json"),
    "dureader": _dureader,
    "cranfield": _cranfield,
    "hotpotqa": _hotpotqa,
    "2wiki": _2wiki,
}


def main() -> None:
    """Print each set with its size."""
    print(f"{'set':<10} {'passages':>8} {'questions':>9} {'dev':>5} {'test':>5}  relevant  median length")
    for name in SETS:
        passages, asked = corpus(name), questions(name)
        lengths = sorted(len(passage.text) for passage in passages)
        dev = sum(half_of(question.text) == "dev" for question in asked)
        mean = sum(len(question.relevant) for question in asked) / len(asked)
        print(
            f"{name:<10} {len(passages):>8} {len(asked):>9} {dev:>5} {len(asked) - dev:>5} {mean:>9.2f} "
            f"{lengths[len(lengths) // 2]:>14}"
        )


if __name__ == "__main__":
    main()

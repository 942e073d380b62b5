"""The embedded chat model learns to answer from passages: a few words with the passage's number, or "I don't know".

Samples as in RAFT (Zhang et al. 2024, arXiv:2403.10131) from SQuAD articles, in the prompt of run time: the gold
passage among others, or none that answers. A tenth of the articles chooses the checkpoint and the threshold of
refusal; a fifth is looked at once, at the end, by `recipes/grounded_test.py`.

    python recipes/grounded.py --data ../shared/data --out runs/grounded
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trivium.generate.answer_prompt import shown
from trivium.generate.manner import TUNED
from trivium.generate.tuned import REFUSAL
from trivium.tasks.questions import QuestionSet, read_questions
from trivium.tasks.training.raft import raft
from trivium.tasks.training.values import TrainingSet
from trivium.tune.bases import open_base
from trivium.tune.loop import Progress, Settings, train
from trivium.tune.methods import attach
from trivium.tune.objectives.causal import Causal
from trivium.tune.precision import compute_dtype
from trivium.types import Document, Example, Hit, Message

FILES = ("squad/dev-v2.0.json", "squad/test-v1.1.json", "squad_jucho/dev.json")
_SALT = "80"  # with it test and validation hold articles with unanswerable questions
_WORD = re.compile(r"\W+")


def part(title: str) -> str:
    """Return the part that an article belongs to: `test`, `validation` or `train`, by a hash of its title."""
    name = _SALT + _WORD.sub(" ", title).strip().casefold()
    number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
    return "test" if number < 2 else "validation" if number == 2 else "train"


def load(data: Path, wanted: str) -> tuple[list[Example], list[Document]]:
    """Return the questions and passages of one part, each question and each passage once."""
    examples: dict[str, Example] = {}
    documents: dict[str, Document] = {}
    by_text: dict[str, str] = {}
    for file in FILES:
        questions: QuestionSet = read_questions(data / file)
        alias = {}
        for document in questions.documents:
            if part(document.title) != wanted:
                continue
            alias[document.source] = by_text.setdefault(document.text.split("\n", 1)[-1], document.source)
            if alias[document.source] == document.source:
                documents[document.source] = document
        for example in questions.examples:
            about = str(example.metadata["document"])
            if about in alias:
                evidence = tuple(replace(gold, source=alias[gold.source]) for gold in example.evidence)
                moved = replace(example, evidence=evidence, metadata={**example.metadata, "document": alias[about]})
                examples.setdefault(f"{alias[about]}\n{example.question.casefold()}", moved)
    return list(examples.values()), list(documents.values())


class Counter:
    """Counts tokens as the tuned model does, for the prompt of run time."""

    context = 8192

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def lessons(data: Path, wanted: str, counter: Counter, *, without: float, seed: int = 0) -> TrainingSet:
    """Return the samples of one part, in the prompt of run time."""
    examples, documents = load(data, wanted)

    def show(question: str, hits: Sequence[Hit]) -> tuple[Sequence[Message], Sequence[Hit]]:
        messages, framed = shown(question, hits, counter, TUNED)
        return messages, framed.hits

    return raft(
        examples,
        documents,
        show=show,
        refusal=lambda _: REFUSAL,
        distractors=(0, 2),
        without=without,
        target="cited",
        alike=True,
        seed=seed,
        name=wanted,
    )


def tell(at: Progress) -> None:
    """Print where the run is."""
    print(f"{at.step}/{at.steps} loss {at.loss:.3f}, {at.tokens:.0f} tokens/s, {at.left / 60:.0f} min left", flush=True)


def main() -> None:
    """Train, and leave the adapter in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/grounded"))
    parser.add_argument("--method", default="lora", choices=SETTINGS)
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest that training may take")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    base = open_base(None, "causal")
    attached = attach(base.model, arguments.method, SETTINGS[arguments.method], task="causal")
    dtype = compute_dtype("cpu")
    objective = Causal(attached, base.tokenizer, longest=1024, tokens=2048, dtype=dtype)
    counter = Counter(base.tokenizer)
    train_set = lessons(arguments.data, "train", counter, without=0.15)
    print(dict(train_set.report))
    validation = lessons(arguments.data, "validation", counter, without=0.15).samples[::3]
    prepared = objective.prepare(train_set.samples)
    print(
        f"{prepared.samples} samples in {len(prepared.items)} rows, {prepared.tokens} tokens, {prepared.trained} learnt"
    )
    print(prepared.preview)
    rate = arguments.rate or RATES[arguments.method]
    settings = Settings(
        epochs=arguments.epochs, batch=8, rate=rate, schedule="cosine", seconds=arguments.minutes * 60, every=40
    )
    result = train(
        attached,
        objective,
        prepared,
        settings,
        arguments.out,
        validation=validation,
        dtype=dtype,
        resume=arguments.resume,
        on_progress=tell,
    )
    attached.save(arguments.out / "adapter")
    print(f"{result.steps} steps in {result.seconds:.0f} s, best {result.best} at {result.best_step}")


SETTINGS = {"lora": {"rank": 12, "alpha": 24.0}, "prompt": {"length": 40}}
RATES = {"lora": 6e-4, "prompt": 1e-2}

if __name__ == "__main__":
    main()

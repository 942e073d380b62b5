"""The tuned chat model against the untuned one on articles that it never saw: gold passage given, and whole pipeline.

python recipes/grounded_test.py --adapter runs/grounded/grounded.gguf --part validation --limit 200
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from grounded import load

import trivium
from trivium.evaluate.metrics.answers import exact_match, token_f1
from trivium.evaluate.statistics import interval, paired
from trivium.generate.answer_prompt import shown
from trivium.generate.manner import SMALL, TUNED
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import speak
from trivium.generate.tuned import read_out
from trivium.models.base import Chat
from trivium.models.chat import open_chat
from trivium.tasks.training.raft import passage_of
from trivium.text.markers import without_markers
from trivium.types import Document, Example, Hit


@dataclass(frozen=True)
class Said:
    """An answer. `doubt` is the probability of a refusal, 0 or 1 where it is only yes or no."""

    text: str
    refused: bool
    doubt: float


def drawn(examples: Sequence[Example], number: int) -> list[Example]:
    """Return `number` questions, the same ones each time."""
    return sorted(examples, key=lambda one: hashlib.sha256(one.question.encode()).hexdigest())[:number]


def with_gold(chat: Chat, example: Example, passage: Hit, tuned: bool) -> Said:
    """Ask with the passage that the question was written on."""
    if tuned:
        read = read_out(example.question, [passage], chat, TUNED)
        return Said(read.text or without_markers(read.said.text), read.objection == "refused", read.doubt)
    messages, _ = shown(example.question, [passage], chat, SMALL.freely())
    text = speak(chat, messages, SMALL.freely()).text
    return Said(text, says_nothing(text), float(says_nothing(text)))


def whole(chat: Chat, documents: Sequence[Document], examples: Sequence[Example], folder: str) -> list[Said]:
    """Ask a knowledge base of all passages of the part."""
    kb = trivium.open(folder, chat=chat)
    kb.add(documents)
    said = []
    for example in examples:
        answer = trivium.ask(kb, example.question, cache=False)
        said.append(Said(without_markers(answer.text), answer.refused, float(answer.refused)))
    return said


def report(name: str, said: Sequence[Said], examples: Sequence[Example]) -> dict[str, list[float]]:
    """Print the scores of one model, and return F1 by question."""
    known = [(one, example) for one, example in zip(said, examples, strict=True) if not example.unanswerable]
    f1 = [0.0 if one.refused else token_f1(one.text, example.answers, "en") for one, example in known]
    exact = [0.0 if one.refused else exact_match(one.text, example.answers, "en") for one, example in known]
    answered = [float(not one.refused) for one, _ in known]
    refused = [float(one.refused) for one, example in zip(said, examples, strict=True) if example.unanswerable]
    balanced = (np.mean(answered) + np.mean(refused)) / 2 if refused else float("nan")
    for label, values in (("F1", f1), ("exact match", exact), ("answered", answered), ("refused", refused)):
        if values:
            score = interval(values)
            print(f"{name:24} {label:12} {score.mean:.3f} [{score.low:.3f}, {score.high:.3f}] of {score.n}")
    print(f"{name:24} {'balanced':12} {balanced:.3f}", flush=True)
    return {"f1": f1, "exact": exact}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--adapter", type=Path, help="a GGUF adapter. Default: the one that ships")
    parser.add_argument("--part", default="validation", choices=("validation", "test", "train"))
    parser.add_argument("--limit", type=int, default=200, help="answerable questions")
    parser.add_argument("--unanswerable", type=int, default=50, help="unanswerable questions")
    parser.add_argument("--only", choices=("gold", "whole"))
    parser.add_argument("--tuned-only", action="store_true")
    parser.add_argument("--doubts", type=Path, help="write each question's probability of refusal here")
    arguments = parser.parse_args()
    examples, documents = load(arguments.data, arguments.part)
    chosen = drawn([one for one in examples if not one.unanswerable], arguments.limit)
    chosen += drawn([one for one in examples if one.unanswerable], arguments.unanswerable)
    passages = {document.source: Hit(passage_of(document), 1.0, ("gold",)) for document in documents}
    models = {
        "tuned": open_chat(f"+grounded={arguments.adapter}" if arguments.adapter else "smollm2-135m-instruct-grounded")
    }
    if not arguments.tuned_only:
        models["untuned"] = open_chat("smollm2-135m-instruct")
    results = {}
    for name, chat in models.items():
        if arguments.only != "whole":
            said = [with_gold(chat, one, passages[str(one.metadata["document"])], name == "tuned") for one in chosen]
            results["gold", name] = report(f"gold passage, {name}", said, chosen)
            if arguments.doubts and name == "tuned":
                rows = [
                    {
                        "doubt": one.doubt,
                        "unanswerable": example.unanswerable,
                        "said": one.text,
                        "answers": example.answers,
                    }
                    for one, example in zip(said, chosen, strict=True)
                ]
                arguments.doubts.write_text("\n".join(map(json.dumps, rows)), "utf-8")
        if arguments.only != "gold":
            with tempfile.TemporaryDirectory() as folder:
                said = whole(chat, documents, chosen, folder)
            results["whole", name] = report(f"whole pipeline, {name}", said, chosen)
    for way in ("gold", "whole"):
        if (way, "untuned") in results and (way, "tuned") in results:
            for measure in ("f1", "exact"):
                print(way, measure, paired(results[way, "tuned"][measure], results[way, "untuned"][measure]))


if __name__ == "__main__":
    main()

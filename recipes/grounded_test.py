"""The tuned chat model against the untuned one on articles that it never saw: gold passage given, and whole pipeline.

`--part rgb` asks RGB's English questions among noise instead (Chen et al. 2023, arXiv:2309.01431).

    python recipes/grounded_test.py --adapter runs/grounded/grounded.gguf --part validation --limit 200
    python recipes/grounded_test.py --part rgb --limit 60
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from grounded import load

import trivium
from trivium.evaluate.abilities.cases import passages_of, read_all, sampled
from trivium.evaluate.abilities.check import rightness
from trivium.evaluate.abilities.passages import mixed, noise_share
from trivium.evaluate.abilities.values import Said as AbilitySaid
from trivium.evaluate.metrics.answers import exact_match, token_f1
from trivium.evaluate.statistics import interval, paired
from trivium.generate.answer_prompt import shown
from trivium.generate.manner import SMALL, TUNED
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import speak
from trivium.generate.tuned import read_out
from trivium.models.base import Chat
from trivium.models.chat import open_chat
from trivium.models.embed import open_embedder
from trivium.readers import open_reader
from trivium.tasks.training.raft import passage_of
from trivium.text.markers import without_markers
from trivium.types import Document, Example, Hit

RGB = "rgb/en_fact.json"
NOISE = (0.4, 0.8)


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


def among_noise(models: Mapping[str, Chat], data: Path, number: int) -> None:
    """Print the accuracy of each model at two ratios of noise, and what tuning changed, question by question.

    RGB's refine file in English is not among the data: its fact file has true and noise passages too, few of each, so
    the share of noise that was really shown is printed. `instructed` is the untuned model under RGB's own task.
    """
    everything = read_all([data / RGB])
    cases = sampled(everything[0], number).cases
    asked = [(f"{name}, advanced", "advanced", chat) for name, chat in models.items()]
    asked += [(f"{name}, instructed", "instructed", chat) for name, chat in models.items() if name == "untuned"]
    embedder = open_embedder()
    right: dict[tuple[str, float], list[float | None]] = {}
    for name, way, chat in asked:
        reader = open_reader(way, chat=chat, embedder=embedder, collection=passages_of(everything))
        for ratio in NOISE:
            given = [mixed(case, ratio) for case in cases]
            answers = [reader(case.question, passages) for case, passages in zip(cases, given, strict=True)]
            said = [AbilitySaid(without_markers(answer.text), answer.refused) for answer in answers]
            right[name, ratio] = rightness(cases, said)
            score, refused = interval(right[name, ratio]), interval(float(one.refused) for one in said)
            noise = np.mean([noise_share(case, passages) for case, passages in zip(cases, given, strict=True)])
            print(
                f"noise {ratio:.1f} (shown {noise:.2f})  {name:20} accuracy {score.mean:.3f} "
                f"[{score.low:.3f}, {score.high:.3f}] of {score.n}, refused {refused.mean:.3f}",
                flush=True,
            )
    first = asked[0][0]
    for ratio in NOISE:
        for name, _, _ in asked[1:]:
            print(f"noise {ratio:.1f}: {first} less {name}: {paired(right[first, ratio], right[name, ratio])}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--adapter", type=Path, help="a GGUF adapter. Default: the one that ships")
    parser.add_argument("--part", default="validation", choices=("validation", "test", "train", "rgb"))
    parser.add_argument("--limit", type=int, default=200, help="answerable questions")
    parser.add_argument("--unanswerable", type=int, default=50, help="unanswerable questions")
    parser.add_argument("--only", choices=("gold", "whole"))
    parser.add_argument("--tuned-only", action="store_true")
    parser.add_argument("--doubts", type=Path, help="write each question's probability of refusal here")
    arguments = parser.parse_args()
    models = {
        "tuned": open_chat(f"+grounded={arguments.adapter}" if arguments.adapter else "smollm2-135m-instruct-grounded")
    }
    if not arguments.tuned_only:
        models["untuned"] = open_chat("smollm2-135m-instruct")
    if arguments.part == "rgb":
        among_noise(models, arguments.data, arguments.limit)
        return
    examples, documents = load(arguments.data, arguments.part)
    chosen = drawn([one for one in examples if not one.unanswerable], arguments.limit)
    chosen += drawn([one for one in examples if one.unanswerable], arguments.unanswerable)
    passages = {document.source: Hit(passage_of(document), 1.0, ("gold",)) for document in documents}
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

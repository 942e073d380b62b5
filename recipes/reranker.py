"""A cross-encoder from the embedded sentence encoder: it reads question and passage together and corrects the search.

Trained on questions of SQuAD articles, and on some of PubMedQA, PopQA, NQ and HotpotQA, against the passages that the
search itself puts high and that hold no answer. The search's own score stands beside the model's in the loss, as it
does at run time: the model learns what to change in the search's order. `recipes/reranker_test.py` looks at articles
and collections that nothing here has seen.

    python recipes/reranker.py --data ../shared/data --out runs/reranker
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from grounded import load

import trivium
from trivium.tasks.questions import read_questions
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Retrieval, TrainingSet
from trivium.tasks.training.write import write_training
from trivium.tune.bases import open_base
from trivium.tune.loop import Progress, Settings, train
from trivium.tune.methods import attach
from trivium.tune.precision import compute_dtype
from trivium.tune.retrieval.negatives import mine, tells
from trivium.tune.retrieval.reranker import Rerank, best_prior, likelihood, ship
from trivium.types import Document, Example

OTHERS = {
    "pubmedqa/ori_pqal.json": 250,
    "popqa/popqa.json": 250,
    "conflict/nq-swap_dev.json": 200,
    "multihop/hotpotqa_train.json": 100,
    "nq/odqa.json": 75,
}
"""Questions of other sets, and how many of each: so that more than one kind of text is seen."""
PASSAGES = 500
WORDS = (50, 110)
"""The fewest and most words of a passage in training: shorter than most, so that more questions fit the time."""
SURE = 0.95
LONGEST = 192
RANK, ALPHA, FROZEN = 16, 32.0, 2


def questions(data: Path, wanted: str, most: int, seed: int) -> tuple[list[Example], list[Document]]:
    """Return answerable questions of a part of the SQuAD articles, as many of each article, and all its passages."""
    examples, documents = load(data, wanted)
    titles = {document.source: document.title for document in documents}
    by_title: dict[str, list[Example]] = {}
    draw = random.Random(seed)
    for example in draw.sample(examples, len(examples)):
        if example.evidence and not example.unanswerable:
            by_title.setdefault(titles[example.evidence[0].source], []).append(example)
    chosen: list[Example] = []
    while len(chosen) < most and any(by_title.values()):
        chosen += [of.pop() for of in by_title.values() if of]
    return chosen[:most], documents


def others(data: Path, file: str, most: int, seed: int) -> tuple[list[Example], list[Document]]:
    """Return questions of another set with their passages and some more."""
    found = read_questions(data / file)
    draw = random.Random(seed)
    fit = [example for example in found.examples if example.evidence and not example.unanswerable]
    chosen = draw.sample(fit, min(most, len(fit)))
    needed = {gold.source for example in chosen for gold in example.evidence}
    documents = [document for document in found.documents if document.source in needed]
    rest = [document for document in found.documents if document.source not in needed]
    return chosen, documents + draw.sample(rest, max(0, min(PASSAGES - len(documents), len(rest))))


def mined(examples: Sequence[Example], documents: Sequence[Document], negatives: int, seed: int) -> list[Retrieval]:
    """Return the questions with passages that a search over the documents puts high."""
    with tempfile.TemporaryDirectory() as folder:
        base = trivium.open(folder)
        base.add(documents)
        found = mine(base, examples, negatives=negatives, seed=seed)
        print(
            f"{len(found.samples)} of {len(examples)} questions, {found.dropped}, {found.guarded} guarded", flush=True
        )
    answers = {example.id: example.answers for example in examples}
    draw = random.Random(seed)
    return [cropped(sample, answers[sample.id], draw) for sample in found.samples]


def cropped(sample: Retrieval, answers: Sequence[str], draw: random.Random) -> Retrieval:
    """Return the sample with windows of its passages; those of the positives hold an answer."""
    asked = [answer for answer in answers if tells(answer)]
    best = sample.positives.index(max(sample.positives, key=lambda text: any(a in text for a in asked)))
    return replace(
        sample,
        positives=(window(sample.positives[best], asked, draw),),
        positive_scores=(sample.positive_scores[best],),
        negatives=tuple(window(text, (), draw) for text in sample.negatives),
    )


def window(text: str, held: Sequence[str], draw: random.Random) -> str:
    """Return a run of words of the text, with one of the strings `held` in it where the text has one."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    size = draw.randint(*WORDS)
    if len(words) <= size:
        return text
    first = draw.randrange(len(words) - size + 1) if draw.random() < 0.5 else 0
    place = next((text.index(answer) for answer in held if answer in text), None)
    if place is not None:
        at = max(number for number, (start, _) in enumerate(words) if start <= place)
        first = min(max(draw.randint(at - size + 6, at - 2), 0), len(words) - size)
    return text[words[first][0] : words[first + size - 1][1]]


def tell(at: Progress) -> None:
    """Print where the run is."""
    if at.step % 5 == 0:
        print(
            f"{at.step}/{at.steps} loss {at.loss:.3f}, {at.tokens:.0f} tokens/s, {at.left / 60:.0f} min left",
            flush=True,
        )


def main() -> None:
    """Mine, train, and leave the adapter in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/reranker"))
    parser.add_argument("--questions", type=int, default=2400, help="of SQuAD articles")
    parser.add_argument("--learnt", type=int, default=1400, help="questions that are trained on")
    parser.add_argument("--negatives", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "train.jsonl"
    if not file.exists():
        samples = mined(*questions(arguments.data, "train", arguments.questions, 0), arguments.negatives, 0)
        for other, most in OTHERS.items():
            samples += mined(*others(arguments.data, other, most, 0), arguments.negatives, 0)
        write_training(file, TrainingSet("retrieval", tuple(samples)))
    train_set = read_training(file)
    prior = best_prior(train_set.samples)
    # What the search is sure of teaches nothing: the gradient is the probability that is missing.
    unsure = [sample for sample in train_set.samples if likelihood(sample, prior) < math.log(SURE)]
    unsure = random.Random(0).sample(unsure, min(arguments.learnt, len(unsure)))
    print(f"{len(unsure)} of {len(train_set.samples)} questions are learnt from, prior {prior}", flush=True)
    base = open_base(None, "classify")
    attached = attach(base.model, "lora", {"rank": RANK, "alpha": ALPHA}, task="classify")
    shape(attached.model)
    dtype = compute_dtype("cpu")
    objective = Rerank(attached, base.tokenizer, longest=LONGEST, tokens=4096, prior=prior, dtype=dtype)
    prepared = objective.prepare(unsure)
    print(
        f"{prepared.samples} questions, {prepared.tokens} tokens, prior {prior}, {dtype}\n{prepared.preview}",
        flush=True,
    )
    settings = Settings(batch=8, rate=arguments.rate, schedule="cosine", seconds=arguments.minutes * 60, every=25)
    start = time.process_time()
    result = train(
        attached, objective, prepared, settings, arguments.out, dtype=dtype, resume=arguments.resume, on_progress=tell
    )
    ship(attached, base, arguments.out / "adapter", {"prior": prior, "max_tokens": LONGEST})
    print(f"{result.steps} steps in {result.seconds:.0f} s, {time.process_time() - start:.0f} s of the processor")


def shape(model: torch.nn.Module) -> None:
    """Train the pooler too, start from no opinion, and leave the lowest layers as they are."""
    for name, parameter in model.named_parameters():
        if "pooler" in name:
            parameter.requires_grad_(True)
        if any(f"layer.{number}." in name for number in range(FROZEN)):
            parameter.requires_grad_(False)
        if "classifier" in name and "modules_to_save" in name:
            torch.nn.init.zeros_(parameter)


if __name__ == "__main__":
    main()

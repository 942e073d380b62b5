"""Training speed of a classifier: MiniLM, every weight, on hotel reviews, against transformers' plain Trainer.

Both learn the same reviews (ChnSentiCorp, 7,765 of them in Chinese; the embedded model is an English one, so the
score says little and the speed is what is measured) in batches of 32 for one epoch, rounds interleaved, each in a
process of its own. Trainer is as its documentation sets it up: random batches, padded to the longest of each.
Printed: reviews a second, the ratio with its spread, peak memory, and the accuracy of both on reviews held out.

    python benchmarks/tuning_classify.py --rounds 3 --samples 2000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from results import busy, save, table

BATCH, LONGEST, RATE, HELD_OUT = 32, 256, 5e-5, 400
SYSTEMS = ("trivium", "trainer")


def reviews(data: Path, number: int) -> tuple[list[Any], list[Any]]:
    """Return training and held-out reviews, drawn by a fixed seed."""
    from trivium.tasks.training.read import read_training

    samples = list(read_training(data / "classify" / "ChnSentiCorp_htl_all.csv").samples)
    random.Random(0).shuffle(samples)
    return samples[HELD_OUT : HELD_OUT + number], samples[:HELD_OUT]


def trivium(data: Path, number: int) -> dict[str, Any]:
    """Train with `trivium.tune`."""
    from trivium.tune.bases import open_base
    from trivium.tune.loop import Settings, train
    from trivium.tune.methods import attach
    from trivium.tune.objectives import Options, labels_of, objective_for
    from trivium.tune.precision import compute_dtype

    samples, held = reviews(data, number)
    base = open_base(None, "classify", labels=labels_of(samples))
    attached = attach(base.model, "full", task="classify")
    dtype = compute_dtype("cpu")
    objective = objective_for("labelled", base, attached, samples, Options(longest=LONGEST, dtype=dtype))
    prepared = objective.prepare(samples)
    how = Settings(batch=BATCH, rate=RATE, every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(attached, objective, prepared, how, Path(folder), dtype=dtype)
        seconds = time.perf_counter() - start
    attached.model.eval()
    return {"seconds": seconds, "accuracy": objective.scores(held)["accuracy"], **_memory()}


def trainer(data: Path, number: int) -> dict[str, Any]:
    """Train with transformers' Trainer."""
    import torch
    import transformers

    from trivium.tune.bases import base_folder

    samples, held = reviews(data, number)
    labels = sorted({sample.label for sample in samples})
    folder = base_folder(None, "classify")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))

    def rows(of: list[Any]) -> list[dict[str, Any]]:
        texts = tokenizer([sample.text for sample in of], truncation=True, max_length=LONGEST)
        return [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels.index(sample.label)}
            for ids, sample in zip(texts["input_ids"], of, strict=True)
        ]

    with tempfile.TemporaryDirectory() as out:
        settings = transformers.TrainingArguments(
            output_dir=out, use_cpu=True, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=RATE,
            save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True,
        )  # fmt: skip
        loop = transformers.Trainer(
            model, settings, train_dataset=rows(samples), data_collator=transformers.DataCollatorWithPadding(tokenizer)
        )
        start = time.perf_counter()
        loop.train()
        seconds = time.perf_counter() - start
        logits = loop.predict(rows(held)).predictions
    right = [labels[place] == sample.label for place, sample in zip(logits.argmax(-1), held, strict=True)]
    return {"seconds": seconds, "accuracy": sum(right) / len(right), **_memory()}


def _memory() -> dict[str, float]:
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def report(figures: dict[str, Any]) -> str:
    """Return the table."""
    number, rounds = figures["samples"], figures["rounds"]
    rows = []
    for name in SYSTEMS:
        speed = [number / one["seconds"] for one in rounds[name]]
        memory = median(one["peak_mib"] for one in rounds[name])
        accuracy = median(one["accuracy"] for one in rounds[name])
        spread = f"{median(speed):.1f} ({min(speed):.1f} to {max(speed):.1f})"
        rows.append([name, spread, f"{memory:.0f} MiB", f"{accuracy:.3f}"])
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(rounds["trivium"], rounds["trainer"], strict=True)]
    last = f"{median(ratios):.2f} times the speed of Trainer ({min(ratios):.2f} to {max(ratios):.2f}; target 1.3)."
    return "\n".join([table(["", "reviews/s", "peak memory", "accuracy"], rows), "", last])


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIVIUM_TEST_DATA", "../shared/data")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--system", choices=SYSTEMS, help="run this one alone, and print its figures")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.system:
        run = {"trivium": trivium, "trainer": trainer}[arguments.system]
        print(json.dumps(run(arguments.data, arguments.samples)))
        return
    share = busy()
    rounds: dict[str, list[Any]] = {name: [] for name in SYSTEMS}
    for number in range(arguments.rounds):
        for name in SYSTEMS if number % 2 == 0 else reversed(SYSTEMS):
            command = [
                sys.executable, __file__, "--system", name, "--data", str(arguments.data),
                "--samples", str(arguments.samples),
            ]  # fmt: skip
            out = subprocess.run(command, capture_output=True, text=True)
            if out.returncode:
                sys.exit(f"{name} failed:\n{out.stderr[-2000:]}")
            rounds[name].append(json.loads(out.stdout.splitlines()[-1]))
            print(name, f"{arguments.samples / rounds[name][-1]['seconds']:.1f} reviews/s", file=sys.stderr)
    figures = {"rounds": rounds, "samples": arguments.samples}
    print(report(figures))
    save("tuning_classify", figures, share)


if __name__ == "__main__":
    main()

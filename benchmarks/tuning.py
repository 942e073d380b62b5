"""Training speed: SmolLM2-135M with LoRA (r = 8, all linear layers) on two cores, against TRL's SFTTrainer.

The same samples (real instructions with answers, at most 256 tokens) in the same batches, rounds interleaved, each in
a process of its own. Printed: tokens a second (padding not counted), the ratio with its spread over the rounds, peak
memory, and the largest difference of the losses.

    python benchmarks/tuning.py --rounds 3 --steps 12
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from peers import HERE
from results import busy, save, table

BATCH, LONGEST, RATE = 8, 256, 1e-3


def samples(data: Path, number: int) -> tuple[list[dict[str, str]], list[int], str]:
    """Return `number` real dialogues near the limit in length, sorted so that each batch is of like length."""
    from transformers import AutoTokenizer

    from trivium.tasks.training.read import read_training
    from trivium.tune.bases import base_folder
    from trivium.tune.encode import encode_dialogues

    folder = base_folder(None, "causal")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for file in ("ft/alpaca_en_demo.json", "ft/gsm8k_train.jsonl"):
        for sample in read_training(data / file).samples:
            turns = [turn for turn in sample.messages if turn.role != "system"]
            if len(turns) != 2:
                continue
            encoded = encode_dialogues([sample], tokenizer, longest=LONGEST)
            if encoded.rows and len(encoded.rows[0]) >= LONGEST // 2:
                found.append((len(encoded.rows[0]), turns[0].content, turns[1].content))
    found = sorted(found[: number * 2])[::2][:number]
    rows = [{"prompt": prompt, "answer": answer} for _, prompt, answer in found]
    return rows, [length for length, _, _ in found], str(folder)


def report(figures: dict[str, Any]) -> str:
    """Return the table."""
    rows = []
    for name, rounds in figures["rounds"].items():
        speed = [one["tokens_per_second"] for one in rounds]
        memory = [one["peak_mib"] for one in rounds]
        rows.append([name, f"{median(speed):.0f} ({min(speed):.0f} to {max(speed):.0f})", f"{median(memory):.0f} MiB"])
    lines = [table(["", "tokens/s", "peak memory"], rows), ""]
    ours, theirs = figures["rounds"]["trivium"], figures["rounds"]["trl"]
    ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(ours, theirs, strict=True)]
    memory = [a["peak_mib"] / b["peak_mib"] for a, b in zip(ours, theirs, strict=True)]
    gaps = [
        abs(a - b) / b
        for one, two in zip(ours, theirs, strict=True)
        for a, b in zip(one["losses"], two["losses"], strict=True)
    ]
    lines.append(
        f"{median(ratios):.2f} times the speed of TRL ({min(ratios):.2f} to {max(ratios):.2f}; target 2.2), "
        f"{median(memory):.2f} of its memory (target 0.7); the losses differ by at most {max(gaps):.2%}."
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIVIUM_TEST_DATA", "../shared/data")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--micro", type=int, default=2048)
    arguments = parser.parse_args()
    share = busy()
    rows, lengths, model = samples(arguments.data, BATCH * arguments.steps)
    job = {
        "samples": rows, "lengths": lengths, "model": model, "batch": BATCH, "longest": LONGEST, "rate": RATE,
        "micro": arguments.micro, "threads": arguments.threads, "lora": {"rank": 8, "alpha": 16.0},
    }  # fmt: skip
    rounds: dict[str, list[Any]] = {"trivium": [], "trl": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batches.json"
        file.write_text(json.dumps(job), "utf-8")
        for number in range(arguments.rounds):
            for name in rounds if number % 2 == 0 else reversed(rounds):
                command = [sys.executable, str(HERE / "tuning_worker.py"), name, str(file)]
                out = subprocess.run(command, capture_output=True, text=True)
                if out.returncode:
                    sys.exit(f"{name} failed:\n{out.stderr[-2000:]}")
                rounds[name].append(json.loads(out.stdout.splitlines()[-1]))
                print(name, f"{rounds[name][-1]['tokens_per_second']:.0f} tokens/s", file=sys.stderr)
    figures = {"rounds": rounds, "tokens_a_sample": sum(lengths) / len(lengths)}
    print(report(figures))
    save("tuning", figures, share)


if __name__ == "__main__":
    main()

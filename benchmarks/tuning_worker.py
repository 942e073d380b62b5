"""One system trains SmolLM2-135M with LoRA on prepared batches and prints its losses, its speed and its peak memory.

    python benchmarks/tuning_worker.py trivium batches.json

`batches.json` holds dialogues in the order of the batches. Every system reads the same samples in the same batches,
learns the answers alone, and takes the same optimiser, rate and LoRA.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"


def main() -> None:
    """Run the system that the command line names."""
    system, file = sys.argv[1:3]
    job = json.loads(Path(file).read_text("utf-8"))
    if job["threads"]:
        os.environ["OMP_NUM_THREADS"] = str(job["threads"])
    print(json.dumps({"trivium": trivium, "trl": trl}[system](job)))


def trivium(job: dict[str, Any]) -> dict[str, Any]:
    """Train with `trivium.tune`."""
    import tempfile

    from trivium.tasks.training.values import Dialogue, Turn
    from trivium.tune import loop
    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach
    from trivium.tune.objectives.causal import Causal
    from trivium.tune.precision import compute_dtype

    base = open_base(job["model"], "causal")
    attached = attach(base.model, "lora", job["lora"], task="causal")
    dtype = compute_dtype("cpu")
    objective = Causal(attached, base.tokenizer, longest=job["longest"], tokens=job["micro"], shared=False, dtype=dtype)
    turns = [
        Dialogue((Turn("user", one["prompt"]), Turn("assistant", one["answer"], trained=True)))
        for one in job["samples"]
    ]
    prepared = objective.prepare(turns)
    loop.LikeLengths.__iter__ = lambda self: iter(range(len(self)))  # the order of the file, as for the others
    steps = len(turns) // job["batch"]
    how = loop.Settings(
        steps=steps, batch=job["batch"], rate=job["rate"], schedule="constant", warmup=0.0, clip=1.0, every=10**6
    )
    clock = _Clock(prepared.lengths, job["batch"])
    with tempfile.TemporaryDirectory() as folder:
        result = loop.train(
            attached, objective, prepared, how, Path(folder), dtype=dtype, on_progress=lambda _: clock.tick()
        )
    return clock.figures([row["loss"] for row in result.history])


def trl(job: dict[str, Any]) -> dict[str, Any]:
    """Train with TRL's SFTTrainer at its best CPU settings: bf16, batches of like length, no checkpointing."""
    import datasets
    import peft
    import torch
    import transformers
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        """The batches are sorted by length already."""

        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    model = transformers.AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    rows = [
        {
            "prompt": [{"role": "system", "content": ""}, {"role": "user", "content": one["prompt"]}],
            "completion": [{"role": "assistant", "content": one["answer"]}],
        }
        for one in job["samples"]
    ]
    import tempfile

    folder = tempfile.mkdtemp()
    config = SFTConfig(
        output_dir=folder, use_cpu=True, bf16=True, per_device_train_batch_size=job["batch"],
        max_steps=len(rows) // job["batch"], learning_rate=job["rate"], lr_scheduler_type="constant", warmup_steps=0,
        max_grad_norm=1.0, gradient_checkpointing=False, completion_only_loss=True, max_length=job["longest"],
        logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, weight_decay=0.0,
    )  # fmt: skip
    lora = peft.LoraConfig(
        r=job["lora"]["rank"], lora_alpha=job["lora"]["alpha"], lora_dropout=0.0, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    lengths = job["lengths"]
    clock = _Clock(lengths, job["batch"])

    class Tick(transformers.TrainerCallback):
        """Tell the clock of each step."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    trainer = InOrder(
        model=model, args=config, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer,
        peft_config=lora, callbacks=[Tick()],
    )  # fmt: skip
    torch.manual_seed(0)
    trainer.train()
    return clock.figures([row["loss"] for row in trainer.state.log_history if "loss" in row])


class _Clock:
    """Times steps; the first ones, which warm up, are left out."""

    def __init__(self, lengths: list[int], batch: int) -> None:
        self._tokens = [sum(lengths[at : at + batch]) for at in range(0, len(lengths), batch)]
        self._at: list[float] = []

    def tick(self) -> None:
        self._at.append(time.perf_counter())

    def figures(self, losses: list[float]) -> dict[str, Any]:
        steps = [after - before for before, after in zip(self._at, self._at[1:], strict=False)]
        tokens = self._tokens[1 : len(steps) + 1]
        return {
            "tokens_per_second": sum(tokens) / sum(steps),
            "steps": [count / seconds for count, seconds in zip(tokens, steps, strict=True)],
            "losses": losses,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


if __name__ == "__main__":
    main()

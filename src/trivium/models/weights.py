"""Read the tensors of a model folder's safetensors files as float32 arrays, without torch.

The format (github.com/huggingface/safetensors): eight bytes with the header's length, a JSON header of
name -> dtype, shape and byte range, then the bytes. numpy has no bfloat16, hence our own reader.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trivium.errors import ModelError, ModelNotFound
from trivium.models.home import home

Floats = NDArray[np.float32]

_LONGEST_HEADER = 100_000_000
_DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}


class _Tensor(NamedTuple):
    """Where one tensor lies."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    bytes: int


class Weights:
    """The float tensors of a model folder, or of the one `file` in it, read one at a time, each as a float32 array.

    Raises:
        ModelNotFound: the folder has no safetensors file.
        ModelError: a file is damaged.
    """

    def __init__(self, folder: Path, file: str = "") -> None:
        self.folder = folder
        self._where: dict[str, _Tensor] = {}
        for path in [folder / file] if file else weight_files(folder):
            self._where.update(_tensors(path))

    @property
    def names(self) -> set[str]:
        """The names of the tensors."""
        return set(self._where)

    def read(self, name: str) -> Floats:
        """Return one tensor as float32, in its own shape.

        Raises:
            ModelError: there is no such tensor, or its type is not a float type.
        """
        if name not in self._where:
            raise ModelError(
                f"The weights in {self.folder} have no tensor {name!r}.",
                "The folder's config.json may belong to another model.",
            )
        tensor = self._where[name]
        if tensor.dtype not in _DTYPES:
            raise ModelError(
                f"The tensor {name!r} in {tensor.path} is {tensor.dtype}; Trivium reads {', '.join(_DTYPES)}.",
                "Save the model in float32, float16 or bfloat16.",
            )
        dtype = np.dtype(_DTYPES[tensor.dtype])
        count = tensor.bytes // dtype.itemsize
        flat = np.fromfile(tensor.path, dtype, count, offset=tensor.start)
        if flat.size != math.prod(tensor.shape):
            raise ModelError(f"{tensor.path} is damaged: the tensor {name!r} is cut short.", "Fetch the model again.")
        if tensor.dtype == "BF16":  # the upper half of a float32
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.astype(np.float32, copy=False).reshape(tensor.shape)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model folder, the parts of a split model in order.

    Raises:
        ModelNotFound: there are none.
    """
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return [folder / part for part in sorted(parts)]
    other = next((name for name in ("pytorch_model.bin", "tf_model.h5") if (folder / name).exists()), "")
    raise ModelNotFound(
        f"{folder} has no model.safetensors" + (f", only {other}." if other else "."),
        "Give a model folder with its weights in the safetensors format.",
    )


def content_hash(folder: Path) -> str:
    """Return the sha256 of a folder's weights.

    A large file takes seconds to read through, so the result is remembered in the home folder for as long
    as the file's size, time of change and inode stay as they are.
    """
    hashes = [_file_hash(path) for path in weight_files(folder)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    state = path.stat()
    key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}|{state.st_ino}"
    memo = home() / "hashes" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        known = memo.read_text("ascii")
        if len(known) == 64:
            return known
    except (OSError, UnicodeDecodeError):
        pass  # not hashed yet
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        fresh = memo.with_name(f"{memo.name}.{os.getpid()}")
        fresh.write_text(digest, "ascii")
        os.replace(fresh, memo)
    except OSError:
        pass  # a home that cannot be written only costs time here
    return digest


def _tensors(path: Path) -> dict[str, _Tensor]:
    """Read the header of a safetensors file."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(stream.read(length))
        found = {}
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                found[name] = _Tensor(path, entry["dtype"], tuple(entry["shape"]), 8 + length + begin, end - begin)
        return found
    except FileNotFoundError:
        raise ModelNotFound(f"{path} is missing.", "Fetch the model again.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no safetensors file: {error}.", "Fetch the model again.") from error

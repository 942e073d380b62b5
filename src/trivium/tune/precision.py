"""Which number format this machine trains in: found by a probe, not by a name."""

from __future__ import annotations

import time
from functools import cache

import torch

_SIDE, _ROUNDS = 512, 5
_WORTH = 1.3  # bfloat16 must be this much faster: without instructions for it a CPU emulates it, slower


@cache
def compute_dtype(device: str) -> torch.dtype:
    """Return bfloat16 where `device` multiplies it clearly faster than float32, else float32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device != "cpu":
        return torch.float32
    return torch.bfloat16 if _seconds(torch.float32) > _WORTH * _seconds(torch.bfloat16) else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    one = torch.ones(_SIDE, _SIDE, dtype=dtype)
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        one @ one
        best = min(best, time.perf_counter() - start)
    return best

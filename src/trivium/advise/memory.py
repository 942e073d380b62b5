"""The most memory that this process held since a moment, where the system tells."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> bool:
    """Begin to measure anew; return whether that can be done here (Linux only)."""
    try:
        _CLEAR.write_text("5", "ascii")
    except OSError:
        return False
    return True


def peak_mib() -> float | None:
    """Return the most memory held since `forget_peak`, in MiB; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return None
    held = next((line for line in lines if line.startswith("VmHWM:")), "")
    return float(held.split()[1]) / 1024 if held else None

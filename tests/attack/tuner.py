"""A `trivium tune` that kills itself in the middle of writing a file: the victim of the test beside it.

python tuner.py ENDING WORDS...   (the file is half written whose path ends with ENDING when the kill falls)
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trivium.cli import main
from trivium.tune import checkpoints


def tearing(write: Callable[..., Any], ending: str) -> Callable[..., Any]:
    """The writer of a file that it leaves torn, by a kill."""

    def torn(content: Any, path: Any, *rest: Any, **more: Any) -> Any:
        done = write(content, path, *rest, **more)
        if str(path).endswith(ending):
            os.truncate(path, Path(path).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return torn


if __name__ == "__main__":
    ending, words = sys.argv[1], sys.argv[2:]
    checkpoints.save_file = tearing(checkpoints.save_file, ending)
    torch.save = tearing(torch.save, ending)
    main(words)

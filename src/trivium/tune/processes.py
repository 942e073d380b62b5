"""Several processes that train one model, as `accelerate launch` starts them: the first one leads.

It alone keeps the folder of the run, validates, decides when to stop and tells the user. No torch is loaded by this
file before there is a group to talk to.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from trivium.errors import UsageError

T = TypeVar("T")
_SPLIT = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}


def count() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Return whether this process is the first."""
    return count() == 1 or os.environ.get("RANK", "0") == "0"


def here() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if count() > 1 else 0


def see_whole() -> None:
    """See that each process holds the whole model: what is written and validated is the first one's.

    Raises:
        UsageError: the processes were launched to hold a part each.
    """
    for name, title in _SPLIT.items():
        if os.environ.get(name, "").lower() in ("1", "true"):
            raise UsageError(
                f"This was launched with {title}, which gives each process a part of the model.",
                "Launch it with `accelerate launch --multi_gpu`; for a large model take --method qlora, a smaller "
                "--tokens and --checkpointing.",
            )


def agreed(value: T) -> T:
    """Return the first process's value in all of them."""
    if count() == 1:
        return value
    from torch.distributed import broadcast_object_list

    held = [value]
    broadcast_object_list(held, src=0)
    return held[0]


def summed(tensor: Any) -> Any:
    """Return the sum of a tensor over all processes."""
    if count() > 1:
        from torch.distributed import all_reduce

        all_reduce(tensor)
    return tensor

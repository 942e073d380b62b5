"""The worker's side of the conversation in `peers.py`: answer one JSON request a line until standard input ends.

Imported by the workers inside environments that hold nothing of Trivium: standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(answers: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer requests `{"do": name, **arguments}` by the function of that name.

    Standard output is kept for the answers alone: what a library prints there goes to standard error.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answers[request.pop("do")](**request)), file=out, flush=True)

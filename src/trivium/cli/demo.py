"""`trivium demo`."""

from __future__ import annotations

import typer


def demo(ctx: typer.Context) -> int:
    """Demo."""
    return 0

"""Makes the pictures of docs/ from what the commands print: `python docs/make_screens.py`, or `make screens`.

Each picture is an SVG of a real run, with the colours of a terminal and no fonts from elsewhere.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
COLUMNS = 96
SCREENS = {"demo": ["trivium", "demo"]}


def run(command: list[str], folder: Path) -> str:
    """Return what a command prints to a terminal of `COLUMNS` columns, with its colours."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "FORCE_COLOR": "1",
        "TTY_INTERACTIVE": "0",  # the last state of each answer, not its stream
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def picture(command: list[str], printed: str) -> str:
    """Return an SVG of the command and what it printed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ ", style="bold green") + Text(" ".join(command), style="bold"))
    console.print(Text.from_ansi(printed.rstrip()))
    style = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="trivium", code_format=style, unique_id="trivium")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def main() -> None:
    """Run each command on a new knowledge base and write its picture."""
    (DOCS / "pictures").mkdir(exist_ok=True)
    for name, command in SCREENS.items():
        with tempfile.TemporaryDirectory() as folder:
            printed = run([*command, "--folder", folder], DOCS.parent)
            svg = picture(command, printed.replace(folder, ".demo"))
        (DOCS / "pictures" / f"{name}.svg").write_text(svg, "utf-8")
        sys.stdout.write(f"pictures/{name}.svg: {len(svg):,} characters\n")


if __name__ == "__main__":
    main()

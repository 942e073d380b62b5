"""Runs the commands that the pages show, and puts what they print under them: `make output`.

A fenced block marked `console` holds lines that begin with `$ `, each followed by what it printed. The commands of a
page run one after another in a new folder that holds a copy of docs/examples. A test runs them too, and compares all
but the numbers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = [DOCS / f"{name}.md" for name in ("getting-started", "access", "command-line", "evaluate", "training-data")]
_PROGRESS = re.compile(r"[\d,]+ of [\d,]+ questions\b.* left")  # comes every few seconds, so on a slow machine only
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> str:
    """Return what a command prints where there is no terminal, and its status where it is not 0."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIVIUM_KB")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    printed = done.stdout.replace(str(folder.resolve()), "/home/ada").replace(str(folder), "/home/ada")
    return "\n".join(line.rstrip() for line in printed.splitlines() if not _PROGRESS.fullmatch(line))


def rerun(page: str) -> str:
    """Return a page's text with the output of its commands as they print it now."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(DOCS / "examples" / "handbook", folder / "handbook")
        for name in ("questions.jsonl", "train.jsonl"):
            shutil.copy(DOCS / "examples" / name, folder)

        def block(match: re.Match[str]) -> str:
            commands = [line[2:] for line in match[1].splitlines() if line.startswith("$ ")]
            printed = (f"$ {command}\n{run(command, folder)}".rstrip() for command in commands)
            return "```console\n" + "\n".join(printed) + "\n```"

        return _BLOCK.sub(block, page)


def main() -> None:
    """Renew the output on every page."""
    for page in PAGES:
        page.write_text(rerun(page.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{page.name}\n")


if __name__ == "__main__":
    main()

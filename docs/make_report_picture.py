"""Makes the picture of a report on docs/evaluate.md: `python docs/make_report_picture.py`. Needs Chromium.

The report is that of the page's first run, on docs/examples.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
PICTURE = DOCS.parent / "assets" / "report.png"  # not in docs/, which the README adds: a picture has no text
WIDTH, HEIGHT = 1200, 1500
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def main() -> int:
    """Evaluate the example, open its report in a browser without a window, and keep what it shows."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("The picture needs Chromium, which is not installed.\n")
        return 1
    trivium = str(Path(sys.executable).parent / "trivium")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "example"
        shutil.copytree(DOCS / "examples" / "handbook", folder / "handbook")
        shutil.copy(DOCS / "examples" / "questions.jsonl", folder)
        for command in (["add", "handbook/"], ["evaluate", "questions.jsonl", "--out", "first"]):
            subprocess.run([trivium, *command], cwd=folder, check=True)
        page = (folder / "first" / "report.html").as_uri()
        subprocess.run(
            [browser, *_FLAGS, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={PICTURE}", f"{page}?theme=light"],
            check=True,
            capture_output=True,
        )
    sys.stdout.write(f"{PICTURE.relative_to(DOCS.parent)}: {PICTURE.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the README tells a newcomer to type is typed here; what the pages of docs/ show is checked for existence."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path, language: str) -> list[str]:
    return [code for found, code in _FENCE.findall(page.read_text("utf-8")) if found == language]


def commands(page: Path) -> list[list[str]]:
    lines = "".join(fenced(page, "bash")).splitlines()
    lines += [line[2:] for line in "".join(fenced(page, "console")).splitlines() if line.startswith("$ ")]
    words = [shlex.split(line, comments=True) for line in lines]
    return [command for command in words if command]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project's documentation, as a newcomer has it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if key != "TRIVIUM_KB"} | {"PATH": path}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_readme_shows_commands_and_python() -> None:
    shown = commands(REPOSITORY / "README.md")
    assert ["make", "demo"] in shown
    assert ["trivium", "add", "docs/"] in shown
    assert len(fenced(REPOSITORY / "README.md", "python")) == 1


@pytest.mark.real
@pytest.mark.parametrize("command", commands(REPOSITORY / "README.md"), ids=" ".join)
def test_each_command_of_the_readme_works(command: list[str], workplace: Path) -> None:
    if command[0] == "make":  # would install and test all over again: see that the targets are there
        done = run(["make", "--dry-run", *command[1:]], REPOSITORY)
        assert done.returncode == 0, done.stderr
        return
    assert command[0] == "trivium"
    done = run(command, workplace)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if command[1] == "ask":
        assert "[1] " in done.stdout, done.stdout


@pytest.mark.real
@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/training-data.md"])
def test_the_python_that_is_shown_works(page: str, workplace: Path) -> None:
    snippets = fenced(REPOSITORY / page, "python")
    assert snippets
    for code in snippets:
        (workplace / "snippet.py").write_text(code)
        done = run([sys.executable, "snippet.py"], workplace)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.real
@pytest.mark.parametrize("name", ["getting-started", "access", "command-line", "evaluate", "training-data"])
def test_what_the_pages_show_is_what_the_commands_print(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    import make_output

    def words(page: str) -> str:  # seconds, scores and names made of the folder's path differ from run to run
        return re.sub(r"\b[0-9a-f]{16}\b|[-\d.,:]+", "0", re.sub(r" +", " ", page))

    shown = (REPOSITORY / "docs" / f"{name}.md").read_text("utf-8")
    assert "```console\n$ trivium" in shown
    assert words(make_output.rerun(shown)) == words(shown), "run: make output"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_commands_on_the_pages_exist_with_their_options(page: Path) -> None:
    known = options()
    for command in commands(page):
        if command[0] != "trivium":
            continue
        assert command[1] in known, command
        for word in command[2:]:
            if word.startswith("--"):
                assert word.split("=")[0] in known[command[1]], f"{page.name}: trivium {command[1]} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_commands_named_in_the_text_exist(page: Path) -> None:
    for name in re.findall(r"`trivium ([a-z-]+)", page.read_text("utf-8")):
        assert name in options(), f"{page.name} names trivium {name}"


def options() -> dict[str, set[str]]:
    import typer.main

    from trivium.cli.program import app

    group: Any = typer.main.get_command(app)

    def flags(command: Any) -> set[str]:
        own = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        return own.union(*(flags(one) for one in getattr(command, "commands", {}).values()))

    return {name: flags(command) for name, command in group.commands.items()}


def test_papers_name_files_that_exist() -> None:
    text = (REPOSITORY / "docs" / "papers.md").read_text("utf-8")
    files = re.findall(r"`((?:\w+/)+\w+\.py)` \|", text)
    assert len(files) >= 10
    missing = [file for file in files if not (REPOSITORY / "src" / "trivium" / file).exists()]
    assert missing == []
    code = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / "src" / "trivium").rglob("*.py"))
    named = set(re.findall(r"arXiv:(\d+\.\d+)", code))
    assert named - set(re.findall(r"arXiv:(\d+\.\d+)", text)) == set(), "papers that the code names and the page lacks"


def test_the_demo_documents_are_those_of_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    import make_demo_documents

    made = make_demo_documents.make()
    there = {p.relative_to(make_demo_documents.DEMO).as_posix(): p for p in make_demo_documents.DEMO.rglob("*.*")}
    assert set(made) == set(there), "run: make demo-documents"
    changed = [path for path, data in made.items() if there[path].read_bytes() != data]
    assert changed == [], "run: make demo-documents"


def test_no_page_tells_of_the_workplace() -> None:
    for page in [*PAGES, REPOSITORY / "CHANGELOG.md", REPOSITORY / "Makefile"]:
        text = page.read_text("utf-8")
        assert not re.search(r"/work/|/root/|/tmp/|\bissue \d|\bsession\b", text), page.name

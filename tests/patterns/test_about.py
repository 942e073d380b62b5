"""What is told of each pattern, and that none is left out."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import trivium
from trivium.patterns import PATTERNS
from trivium.patterns.about import ABOUT


def test_every_pattern_is_told_of() -> None:
    assert set(ABOUT) == set(PATTERNS)
    for about in ABOUT.values():
        assert about.title
        assert re.match(r"\d", about.calls)


def test_the_paper_is_that_of_the_file() -> None:
    folder = Path(trivium.__file__).parent / "patterns"
    for name, about in ABOUT.items():
        named = re.findall(r"arXiv:[\d.]+\d", about.paper)
        pattern = PATTERNS[name]
        while isinstance(pattern, partial):
            pattern = pattern.func
        text = (folder / f"{pattern.__module__.split('.')[-1]}.py").read_text("utf-8")
        assert all(number in text for number in named), name

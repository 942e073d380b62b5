"""What each pattern does, what it costs in calls of the chat model, and whose idea it is: for `trivium patterns`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """A pattern in a few words.

    Attributes:
        title: what it does, in one line.
        calls: of the chat model for one question, with the pattern's own settings ("1", "2 to 5", "1 + passages").
        paper: authors, year and arXiv number; "" where it follows no one paper.
    """

    title: str
    calls: str
    paper: str = ""


ABOUT: Mapping[str, About] = {
    "closed_book": About("The model alone, from memory", "1", "Roberts et al. 2020, arXiv:2002.08910"),
    "instructed": About("The model alone, after instructions", "1", "Wei et al. 2021, arXiv:2109.01652"),
    "chain_of_thought": About("The model alone, reasoning first", "1", "Wei et al. 2022, arXiv:2201.11903"),
    "retrieve_only": About("The best sentence of the passages, quoted", "0", "Chen et al. 2017, arXiv:1704.00051"),
    "long_context": About("Whole documents in the prompt", "1", "Li et al. 2024, arXiv:2407.16833"),
    "naive": About("The nearest passages by vector, as they are", "1", "Lewis et al. 2020, arXiv:2005.11401"),
    "advanced": About("The default: search both ways, rerank, judge, answer, prove", "0 or 1"),
    "listwise": About("Passages ordered by the chat model, in windows", "2 to 5", "Sun et al. 2023, arXiv:2304.09542"),
}
"""By the name in `trivium.patterns.PATTERNS`, in the same order."""

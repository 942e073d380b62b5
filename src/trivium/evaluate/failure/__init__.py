"""Why an answer was wrong: one primary failure point for each, with its evidence, by stated rules.

The seven points are those of Barnett et al. 2024, "Seven failure points when engineering a retrieval augmented
generation system", arXiv:2401.05856; `docs/failure-points.md` gives the rules. No model is asked.
"""

from __future__ import annotations

from trivium.evaluate.failure.attribute import attribute
from trivium.evaluate.failure.corpus import holders_in, holders_of, unheld
from trivium.evaluate.failure.kinds import Failure, Holder, Holders, Rank
from trivium.evaluate.failure.points import POINTS, Cure, Point
from trivium.evaluate.failure.summary import PointSummary, Wrong, summary

__all__ = [
    "POINTS",
    "Cure",
    "Failure",
    "Holder",
    "Holders",
    "Point",
    "PointSummary",
    "Rank",
    "Wrong",
    "attribute",
    "holders_in",
    "holders_of",
    "summary",
    "unheld",
]

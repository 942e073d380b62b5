"""Metrics of a ranking against graded judgements, by the definitions of trec_eval; a test holds them to ir-measures.

`ranking` are the ids found, the best first. `grades` gives the judged ids their grade: 1 or more is relevant, an id
that is absent or has 0 or less is not. `k` cuts the ranking; None takes all of it. An id that comes again keeps its
place and gains nothing. Every metric lies between 0 and 1, and is 0 where nothing is relevant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Ranking = Sequence[str]
Grades = Mapping[str, int]


def hit_rate(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return 1 if a relevant id stands in the first k, otherwise 0 (trec_eval's success)."""
    return float(any(_flags(ranking, grades, k)))


def recall(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return the share of the relevant ids that stand in the first k: |found ∩ relevant| / |relevant|."""
    relevant = _relevant(grades)
    return sum(_flags(ranking, grades, k)) / relevant if relevant else 0.0


def precision(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return the share of the first k places that hold a relevant id; an empty place counts as a wrong one."""
    flags = _flags(ranking, grades, k)
    places = len(flags) if k is None else k
    return sum(flags) / places if places else 0.0


def reciprocal_rank(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return 1 / the rank of the first relevant id, 0 if there is none; its mean is MRR.

    Voorhees 1999, "The TREC-8 question answering track report".
    """
    return next((1.0 / rank for rank, flag in enumerate(_flags(ranking, grades, k), 1) if flag), 0.0)


def average_precision(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return the mean, over the relevant ids, of the precision at each one's rank (0 if not found); its mean is MAP.

    Buckley and Voorhees 2000, "Evaluating evaluation measure stability".
    """
    relevant = _relevant(grades)
    found = 0
    total = 0.0
    for rank, flag in enumerate(_flags(ranking, grades, k), 1):
        if flag:
            found += 1
            total += found / rank
    return total / relevant if relevant else 0.0


def ndcg(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return DCG@k over that of the best possible ranking: DCG = Σ grade / log2(rank + 1).

    Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques"; gains are the grades themselves,
    as in trec_eval.
    """
    seen: set[str] = set()
    gains = []
    for id in ranking[:k]:
        gains.append(0 if id in seen else max(grades.get(id, 0), 0))
        seen.add(id)
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    return _dcg(gains) / _dcg(best) if best else 0.0


def r_precision(ranking: Ranking, grades: Grades) -> float:
    """Return the precision at rank R, where R is the number of relevant ids.

    Buckley and Voorhees 2000, "Evaluating evaluation measure stability".
    """
    relevant = _relevant(grades)
    return precision(ranking, grades, relevant) if relevant else 0.0


def evidence_coverage(ranking: Ranking, grades: Grades, k: int | None = None) -> float:
    """Return 1 if every relevant id stands in the first k, otherwise 0.

    A multi-hop question can be answered only when each of its pieces of evidence is there; recall tells how many
    are. The all-or-nothing form is that of the joint support of HotpotQA (Yang et al. 2018, arXiv:1809.09600).
    """
    return float(recall(ranking, grades, k) == 1.0)


def _flags(ranking: Ranking, grades: Grades, k: int | None) -> list[bool]:
    """Return for each of the first k places whether it holds a relevant id for the first time."""
    seen: set[str] = set()
    flags = []
    for id in ranking[:k]:
        flags.append(grades.get(id, 0) > 0 and id not in seen)
        seen.add(id)
    return flags


def _relevant(grades: Grades) -> int:
    return sum(grade > 0 for grade in grades.values())


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1) if gain)

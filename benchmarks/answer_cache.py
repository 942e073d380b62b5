"""How often the semantic answer cache answers, and how often with the answer to another question.

The questions of SQuAD are asked one after the other over one cache; where the nearest earlier question passes, its
answer is compared with the known ones: the same (token for token, in the loose form), or a wrong hit. No chat model.

    python benchmarks/answer_cache.py [questions]
"""

from __future__ import annotations

import json
import sys

import numpy as np

from data import questions
from trivium.evaluate.metrics.normal import loose
from trivium.index.similar import same_question
from trivium.models.embed import open_embedder

LEAST = (0.80, 0.85, 0.90, 0.95)


def main(count: int) -> None:
    """Print, for each least cosine, the hits and the wrong ones, with and without the rules on words."""
    asked = [question for question in questions("squad", limit=None) if question.answers][:count]
    known = [frozenset(map(loose, question.answers)) for question in asked]
    vectors = open_embedder(None).embed([question.text for question in asked])
    likeness = np.tril(vectors @ vectors.T, -1)  # (n, n): earlier questions only
    for least in LEAST:
        for rules in (False, True):
            hits = wrong = 0
            for place in range(1, len(asked)):
                for before in np.argsort(-likeness[place])[:5]:
                    if likeness[place, before] < least:
                        break
                    if not rules or same_question(asked[place].text, asked[before].text):
                        hits += 1
                        wrong += not (known[place] & known[before])
                        break
            print(json.dumps({"least": least, "rules": rules, "asked": len(asked), "hits": hits, "wrong": wrong}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)

"""What two sequences have in common: subsequence, run, n-grams. Linear or nearly so, whatever the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

Tokens = Sequence[Hashable]


def common_subsequence(left: Tokens, right: Tokens) -> int:
    """Return the length of the longest common subsequence.

    Bit-parallel (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"): one row of the dynamic programme is
    one integer, so that a step costs len(left) / 64 operations.
    """
    if len(left) < len(right):
        left, right = right, left
    places: dict[Hashable, int] = {}
    for place, token in enumerate(right):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(right)) - 1
    row = full
    for token in left:
        matches = places.get(token)
        if matches is None:
            continue
        taken = row & matches
        row = ((row + taken) | (row - taken)) & full
    return len(right) - row.bit_count()


def common_run(left: Tokens, right: Tokens) -> int:
    """Return the length of the longest run of tokens that stands in both.

    By the suffix automaton of the shorter one (Blumer et al. 1985, "The smallest automaton recognizing the subwords
    of a text"), in time linear in both.
    """
    if len(left) > len(right):
        left, right = right, left
    nexts, links, lengths = _automaton(left)
    best = state = length = 0
    for token in right:
        while state and token not in nexts[state]:
            state = links[state]
            length = lengths[state]
        if token in nexts[state]:
            state = nexts[state][token]
            length += 1
            if length > best:
                best = length
    return best


def _automaton(tokens: Tokens) -> tuple[list[dict[Hashable, int]], list[int], list[int]]:
    """Return each state's transitions, its suffix link, and the length of its longest string; state 0 is the start."""
    nexts: list[dict[Hashable, int]] = [{}]
    links = [-1]
    lengths = [0]
    last = 0
    for token in tokens:
        new = len(nexts)
        nexts.append({})
        links.append(0)
        lengths.append(lengths[last] + 1)
        state = last
        while state >= 0 and token not in nexts[state]:
            nexts[state][token] = new
            state = links[state]
        if state >= 0:
            target = nexts[state][token]
            if lengths[target] == lengths[state] + 1:
                links[new] = target
            else:
                clone = len(nexts)
                nexts.append(dict(nexts[target]))
                links.append(links[target])
                lengths.append(lengths[state] + 1)
                while state >= 0 and nexts[state].get(token) == target:
                    nexts[state][token] = clone
                    state = links[state]
                links[target] = links[new] = clone
        last = new
    return nexts, links, lengths


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """Return how often each run of `n` tokens occurs."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def overlap(left: Counter[tuple[str, ...]], right: Counter[tuple[str, ...]]) -> int:
    """Return how many n-grams two counts share: the sum of the smaller count of each."""
    if len(left) > len(right):
        left, right = right, left
    return sum(min(count, right[gram]) for gram, count in left.items() if gram in right)

"""What a simple system says on a test split: the bar that a tuned model must clear to be worth its cost.

Each takes the training split, the samples to be judged, and what the tuned model said of them, and gives an outcome
that is scored by the same function.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.tasks.training.values import Labelled, Pair, Preference, Rated, SpanQuestion, Tagged
from trivium.text.sentences import sentence_spans
from trivium.text.tokens import analyse, analyse_question
from trivium.tune.objectives import labels_of
from trivium.tune.objectives.outcome import Outcome, Table

Baseline = Callable[[Sequence[Any], Sequence[Any], Outcome], Outcome]
_WORDS = 20_000  # that the bag of words knows, the most frequent
_READ = 20_000  # training samples that it reads
_PASSES, _RATE, _DECAY = 100, 0.1, 1e-4
_K1, _B = 1.2, 0.75


def majority(train: Sequence[Labelled], test: Sequence[Labelled], tuned: Outcome) -> Outcome:
    """Say the class that is the most frequent in training, by the classes' shares."""
    from trivium.tune.objectives.classify import classified

    labels = labels_of(train)
    counts = Counter(sample.label for sample in train)
    shares = np.array([counts[label] for label in labels], dtype=np.float64)
    return classified(test, labels, np.tile(shares / shares.sum(), (len(test), 1)))


def bag_of_words(train: Sequence[Labelled], test: Sequence[Labelled], tuned: Outcome) -> Outcome:
    """Classify by logistic regression over weighted words."""
    from trivium.tune.objectives.classify import classified

    labels = labels_of(train)
    numbers = {label: number for number, label in enumerate(labels)}
    known = [sample for sample in train if sample.label in numbers]
    if len(known) > _READ:
        known = [known[place] for place in np.random.default_rng(0).permutation(len(known))[:_READ]]
    gold = np.array([numbers[sample.label or ""] for sample in known])
    return classified(test, labels, logistic([_bag(one) for one in known], gold, [_bag(one) for one in test]))


def logistic(
    train: Sequence[Sequence[str]], gold: NDArray[np.int64], test: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Return the probability of each class, (test, classes), by multinomial logistic regression on tf-idf vectors.

    Args:
        train: the words of each sample.
        gold: its class, from 0.
        test: the words of what is to be classified.
    """
    held = Counter(word for words in train for word in set(words))
    place = {word: number for number, (word, _) in enumerate(held.most_common(_WORDS))}
    rarity = np.log((1 + len(train)) / (1 + np.array([held[word] for word in place], dtype=np.float64))) + 1
    seen, asked = (_Vectors(words, place, rarity) for words in (train, test))
    classes = int(gold.max()) + 1
    weights, bias = np.zeros((len(place) + 1, classes)), np.zeros(classes)
    wanted = np.eye(classes)[gold]
    moments = [np.zeros_like(weights), np.zeros_like(weights), np.zeros_like(bias), np.zeros_like(bias)]
    for step in range(1, _PASSES + 1):  # Adam over the whole set (Kingma and Ba 2014, arXiv:1412.6980)
        error = (_softmax(seen.times(weights) + bias) - wanted) / len(gold)
        for value, slope, first, second in (
            (weights, seen.back(error, len(weights)) + _DECAY * weights, *moments[:2]),
            (bias, error.sum(axis=0), *moments[2:]),
        ):
            first += 0.1 * (slope - first)
            second += 0.001 * (slope * slope - second)
            value -= _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return _softmax(asked.times(weights) + bias)


class _Vectors:
    """Sparse unit vectors of texts: products with a matrix, both ways."""

    def __init__(self, texts: Sequence[Sequence[str]], place: Mapping[str, int], rarity: Table) -> None:
        columns, values, sizes = [], [], []
        for words in texts:
            counts = Counter(place[word] for word in words if word in place)
            own = np.array(list(counts), dtype=np.int64)
            weight = (1 + np.log(np.array(list(counts.values()), dtype=np.float64))) * rarity[own]
            # A text without a known word has one entry of weight 0, in a column of its own.
            columns.append(own if len(own) else np.array([len(place)]))
            values.append(weight / np.linalg.norm(weight) if len(own) else np.zeros(1))
            sizes.append(len(columns[-1]))
        self._columns, self._values = np.concatenate(columns), np.concatenate(values)[:, None]
        self._rows = np.repeat(np.arange(len(sizes)), sizes)
        self._starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self._order = np.argsort(self._columns, kind="stable")
        self._present, self._firsts = np.unique(self._columns[self._order], return_index=True)

    def times(self, weights: Table) -> Table:
        """(texts, words) times (words, classes)."""
        product: Table = np.add.reduceat(weights[self._columns] * self._values, self._starts)
        return product

    def back(self, error: Table, words: int) -> Table:
        """(words, texts) times (texts, classes)."""
        found = np.zeros((words, error.shape[1]))
        each = (error[self._rows] * self._values)[self._order]
        found[self._present] = np.add.reduceat(each, self._firsts)
        return found


def mean_value(train: Sequence[Labelled], test: Sequence[Labelled], tuned: Outcome) -> Outcome:
    """Say the mean of the training values."""
    from trivium.tune.objectives.classify import valued

    return valued(test, np.full(len(test), np.mean([sample.value for sample in train if sample.value is not None])))


def frequent_tag(train: Sequence[Tagged], test: Sequence[Tagged], tuned: Outcome) -> Outcome:
    """Give each token the tag that it has most often in training; an unknown one the most frequent tag of all."""
    from trivium.tune.objectives.tag import tagged

    of_token: dict[str, Counter[str]] = defaultdict(Counter)
    of_all: Counter[str] = Counter()
    for sample in train:
        of_all.update(sample.tags)
        for token, tag in zip(sample.tokens, sample.tags, strict=True):
            of_token[token][tag] += 1
    usual = of_all.most_common(1)[0][0]
    best = {token: tags.most_common(1)[0][0] for token, tags in of_token.items()}
    return tagged(test, [[best.get(token, usual) for token in sample.tokens] for sample in test])


def best_sentence(train: Sequence[SpanQuestion], test: Sequence[SpanQuestion], tuned: Outcome) -> Outcome:
    """Answer with the sentence of the passage that BM25 finds for the question; the first where no word is shared.

    Robertson and Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond", over the passage's
    sentences.
    """
    from trivium.tune.objectives.span import answered

    return answered(test, [_sentence(sample) for sample in test])


def copied(train: Sequence[Pair], test: Sequence[Pair], tuned: Outcome) -> Outcome:
    """Say the source again, for the samples whose text the tuned model wrote."""
    from trivium.tune.objectives.seq2seq import told

    sources = [sample.source for sample in test]
    written = sum(not math.isnan(verdict.value) for verdict in tuned.verdicts)
    return told(test, sources, [sample.target for sample in test], sources[:written])


def longer_answer(train: Sequence[Preference], test: Sequence[Preference], tuned: Outcome) -> Outcome:
    """Prefer the longer answer."""
    from trivium.tune.objectives.preference import preferred

    sizes = np.array([len(sample.chosen) - len(sample.rejected) for sample in test], dtype=np.float64)
    outcome = preferred(test, np.sign(sizes))
    table = outcome.table.copy()
    table[:, 1:] = np.nan  # a length is no reward: no margin and no loss
    verdicts = tuple(replace(verdict, loss=math.nan) for verdict in outcome.verdicts)
    return replace(outcome, table=table, verdicts=verdicts)


def majority_rating(train: Sequence[Rated], test: Sequence[Rated], tuned: Outcome) -> Outcome:
    """Call every answer what most of the training answers were called."""
    from trivium.tune.objectives.preference import rated

    good = 2 * sum(sample.good for sample in train) >= len(train)
    outcome = rated(test, np.full(len(test), 1.0 if good else -1.0))
    return replace(outcome, verdicts=tuple(replace(verdict, loss=math.nan) for verdict in outcome.verdicts))


BASELINES: Mapping[str, Mapping[str, Baseline]] = {
    "dialogue": {},
    "text": {},
    "pair": {"copy of the source": copied},
    "preference": {"the longer answer": longer_answer},
    "rated": {"majority": majority_rating},
    "labelled": {"majority class": majority, "bag of words": bag_of_words},
    "value": {"mean value": mean_value},
    "tagged": {"most frequent tag": frequent_tag},
    "span": {"best sentence": best_sentence},
}
"""For each kind of sample (labelled ones with values apart), the simple systems; a text is compared with the base."""


def baselines_for(kind: str, train: Sequence[Any]) -> Mapping[str, Baseline]:
    """Return the simple systems for samples of `kind`."""
    if kind == "labelled" and all(sample.label is None for sample in train):
        return BASELINES["value"]
    return BASELINES.get(kind, {})


def _bag(sample: Labelled) -> list[str]:
    """Return the words of a text; of a pair those that both texts have, and those that one has, marked as such."""
    words = analyse(sample.text)
    if sample.second is None:
        return words
    others = analyse(sample.second)
    shared = set(words) & set(others)
    return [f"{'both' if word in shared else 'one'}:{word}" for word in dict.fromkeys([*words, *others])] + [
        f"shared:{round(10 * len(shared) / max(len({*words, *others}), 1))}"
    ]


def _sentence(sample: SpanQuestion) -> str:
    spans = sentence_spans(sample.context) or [(0, len(sample.context))]
    sentences = [sample.context[start:end].strip() for start, end in spans]
    words = [Counter(analyse(sentence)) for sentence in sentences]
    usual = sum(found.total() for found in words) / len(words) or 1.0
    asked = set(analyse_question(sample.question))
    held = {word: sum(word in found for found in words) for word in asked}

    def score(found: Counter[str]) -> float:
        size = _K1 * (1 - _B + _B * found.total() / usual)
        return sum(
            math.log(1 + (len(words) - held[word] + 0.5) / (held[word] + 0.5))
            * found[word] * (_K1 + 1) / (found[word] + size)
            for word in asked
            if word in found
        )  # fmt: skip

    return max(zip(map(score, words), range(0, -len(words), -1), sentences, strict=True))[2]


def _softmax(logits: Table) -> Table:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    share: Table = shifted / shifted.sum(axis=1, keepdims=True)
    return share

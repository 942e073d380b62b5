"""A training set in parts that share no group and no input; and how evenly its classes are filled."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from trivium.errors import UnknownName, UsageError
from trivium.tasks.leak import same
from trivium.tasks.split import PartSize, components, metadata_of, split
from trivium.tasks.training.parts import asked, label_of
from trivium.tasks.training.values import Sample, Tagged, TrainingSet
from trivium.types import Example

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.8, "validation": 0.1, "test": 0.1})


@dataclass(frozen=True, slots=True)
class Division:
    """A set in parts: each a set of its own, and how large it came out."""

    parts: Mapping[str, TrainingSet]
    sizes: Mapping[str, PartSize]


def divide(
    given: TrainingSet, shares: Mapping[str, float] = SHARES, *, seed: int = 0, stratify: bool = True
) -> Division:
    """Split a set into parts that share no group and no input; see `trivium.tasks.split.split`.

    Args:
        given: a training set.
        shares: name of each part and its share of the samples.
        seed: another seed, another split.
        stratify: split the samples of each class apart, so that every part has the classes in the set's proportions,
            as nearly as its groups allow. Classes with fewer samples than there are parts are split together.

    Raises:
        UsageError: no part is named, or a share is not above 0.
    """
    rows = [
        Example(str(place), asked(sample), metadata={"group": sample.group})
        for place, sample in enumerate(given.samples)
    ]
    by = metadata_of("group")
    part_of: dict[int, str] = {}
    sizes: Counter[str] = Counter()
    groups: dict[str, set[str]] = {name: set() for name in shares}
    for stratum in _strata(given.samples, rows, len(shares)) if stratify else [list(range(len(rows)))]:
        found = split([rows[place] for place in stratum], shares, seed=seed, by=by)
        for name, part in found.parts.items():
            sizes[name] += len(part)
            for row in part:
                part_of[int(row.id)] = name
                groups[name].update(by(row))
    total = sum(shares.values())
    parts = {}
    for name in shares:
        samples = tuple(sample for place, sample in enumerate(given.samples) if part_of.get(place) == name)
        parts[name] = replace(
            given, samples=samples, report={"samples": len(samples)}, problems=(), name=f"{given.name}-{name}"
        )
    count = max(len(rows), 1)
    return Division(
        parts,
        {name: PartSize(sizes[name], len(groups[name]), sizes[name] / count, shares[name] / total) for name in shares},
    )


def _strata(samples: Sequence[Sample], rows: Sequence[Example], parts: int) -> list[list[int]]:
    """Return the places of each class; what hangs together is of one stratum, with the class that most of it has."""
    of_class: dict[str | None, list[list[int]]] = {}
    by = metadata_of("group")
    for places in components([tuple(by(row)) for row in rows], [same(row.question) for row in rows]):
        classes = Counter(label_of(samples[place]) for place in places)
        of_class.setdefault(min(classes, key=lambda label: (-classes[label], str(label))), []).append(places)
    rare = [groups for groups in of_class.values() if len(groups) < parts]
    common = [groups for groups in of_class.values() if len(groups) >= parts]
    together = [[group for groups in rare for group in groups]] if rare else []
    return [sorted(place for group in groups for place in group) for groups in (*common, *together)]


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly classes are filled.

    Attributes:
        counts: samples (of tagged ones: entities) of each class, the most first.
        majority: the share of the largest class: what guessing it scores.
        ratio: the largest class over the smallest.
        evenness: entropy over its greatest value (Shannon 1948), 0 to 1; 1: all classes alike.
        outside: of tagged samples, the share of tokens outside any entity; else 0.
    """

    counts: Mapping[str, int]
    majority: float
    ratio: float
    evenness: float
    outside: float = 0.0


def balance(given: TrainingSet) -> Balance:
    """Return how many samples each class has.

    Raises:
        UsageError: the samples have no classes.
    """
    outside = 0.0
    if given.kind == "tagged":
        tags = [tag for sample in given.samples if isinstance(sample, Tagged) for tag in sample.tags]
        counts = Counter(tag[2:] if tag.startswith("B-") else tag for tag in tags if tag != "O" and tag[:2] != "I-")
        outside = tags.count("O") / max(len(tags), 1)
    else:
        counts = Counter(label for sample in given.samples if (label := label_of(sample)) is not None)
    if not counts:
        raise UsageError(
            f"The samples of {given.name} have no classes.", "Classes are of labelled, tagged, rated sets."
        )
    total, most = sum(counts.values()), counts.most_common()
    entropy = -sum(count / total * math.log(count / total) for count in counts.values())
    return Balance(
        dict(most),
        most[0][1] / total,
        most[0][1] / most[-1][1],
        entropy / math.log(len(counts)) if len(counts) > 1 else 1.0,
        outside,
    )


def class_weights(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the weight of each class in a loss that counts all classes alike: total / (classes * count).

    King and Zeng 2001, "Logistic regression in rare events data"; the mean weight of a sample is 1.
    """
    total = sum(counts.values())
    return {label: total / (len(counts) * count) for label, count in counts.items()}


def resample(given: TrainingSet, how: str, *, seed: int = 0) -> TrainingSet:
    """Return a training part with as many samples of each class: the small ones repeated, or the large ones thinned.

    Resample the training part alone, after `divide`: repetitions on both sides of a split are a leak.

    Args:
        given: labelled or rated samples.
        how: `over` (to the largest class) or `under` (to the smallest).
        seed: of the choice; order is kept, and repetitions have `~2` and so on behind their id.

    Raises:
        UnknownName: there is no such way.
        UsageError: the samples have no classes.
    """
    if how not in ("over", "under"):
        raise UnknownName("way of resampling", how, ("over", "under"))
    counts = balance(given).counts
    wanted = max(counts.values()) if how == "over" else min(counts.values())
    draw = random.Random(seed)
    times: Counter[int] = Counter()
    for label in counts:
        places = [place for place, sample in enumerate(given.samples) if label_of(sample) == label]
        whole, rest = divmod(wanted, len(places))
        times.update(dict.fromkeys(places, whole))
        times.update(draw.sample(places, rest))
    samples: list[Sample] = []
    for place, sample in enumerate(given.samples):
        for turn in range(times[place]):
            samples.append(replace(sample, id=f"{sample.id}~{turn + 1}") if turn else sample)
    report = {**given.report, f"resampled ({how})": len(samples) - len(given.samples), "samples": len(samples)}
    return replace(given, samples=tuple(samples), report=report)

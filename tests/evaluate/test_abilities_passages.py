"""The passages shown are those that RGB's own script shows, in its order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from trivium.evaluate.abilities.cases import read_cases
from trivium.evaluate.abilities.passages import falsified, mixed, noise_share, of_each_part, unfalsified
from trivium.evaluate.abilities.values import Case

FILES = {  # the md5 of the files that the script was run on
    "en_fact": "5e77c7ae808249c58e056ade2ad9e069",
    "zh_fact": "0d70e3e0c4cf84744fad25acf27bc33c",
    "zh_int": "aa8ff363b550be7cd0d7ab5d0e933a68",
    "zh_refine": "780cb73f8094409415b1343d6a77dff8",
}
CHOICES: dict[str, Callable[[Case, float, int], tuple[str, ...]]] = {
    "plain": mixed,
    "parts": of_each_part,
    "false": lambda case, ratio, shown: falsified(case, shown),
}


# What `processdata` of the benchmark's evalue.py gives with its seed, all cases of a file in one digest (its passages
# stripped of the white space around them, as ours are).
@pytest.mark.parametrize(
    ("file", "choice", "ratio", "shown", "digest"),
    [
        ("zh_refine", "plain", 0, 5, "191c52498c2ea2b042c3b51d828200cb"),
        ("zh_refine", "plain", 0, 10, "23e8c031cba234113897b17ca9cd76c7"),
        ("zh_refine", "plain", 0.2, 5, "feb12c8d73cefee3a8fe3f3702505b00"),
        ("zh_refine", "plain", 0.2, 10, "0e2eec93b501868a3e8506003a904b01"),
        ("zh_refine", "plain", 0.4, 5, "0f1427ba8ac49c784239234902237e63"),
        ("zh_refine", "plain", 0.4, 10, "da8e53f5bc01db8fa24620e69816d5ad"),
        ("zh_refine", "plain", 0.6, 5, "e07575cc1c5b233dd0bc1778d2756044"),
        ("zh_refine", "plain", 0.6, 10, "31b58a97905c279c4bd0399da0eb7b5d"),
        ("zh_refine", "plain", 0.8, 5, "11be175525bb7a483496e0834a5de70b"),
        ("zh_refine", "plain", 0.8, 10, "0e83d75cfa0b1e317fe9024cc590456c"),
        ("zh_refine", "plain", 1.0, 5, "2f943499aa563b1c02611f2f84ebc265"),
        ("zh_refine", "plain", 1.0, 10, "210d134f7bcff18e9fd6669ce81029c3"),
        ("zh_int", "parts", 0, 5, "12e9023daa6f5e374a52cf3c15a82dc0"),
        ("zh_int", "parts", 0, 10, "4ca722b1c06faa6ae3e3df18839e7c25"),
        ("zh_int", "parts", 0.2, 5, "851fb19c362592f5f726391013e6c7ec"),
        ("zh_int", "parts", 0.2, 10, "f6a05cd1c6d0f620bc360ce038f1330c"),
        ("zh_int", "parts", 0.4, 5, "7c7fd9693ec728cadfd14e31e390d81a"),
        ("zh_int", "parts", 0.4, 10, "b9b5e2ca92180602628773273e053029"),
        ("en_fact", "plain", 0, 5, "ee3687ba2ac343fb5bb1990d291d4582"),
        ("en_fact", "plain", 0, 10, "62e5de3f90f317478f8d10240ac95ff6"),
        ("en_fact", "plain", 0.4, 5, "4da7b4efaefe2864e6ebb779a35783a7"),
        ("en_fact", "plain", 0.6, 5, "9caadceac4c87dba6e31bc7af00266a5"),
        ("en_fact", "plain", 0.8, 5, "5cead2dc5d78a8ad529835dc7fd3239d"),
        ("en_fact", "plain", 1.0, 10, "340b830378c28f0f215a1231bfc6e9b0"),
        ("en_fact", "false", 0, 5, "925da44cfab30364c028ffa6e9859932"),
        ("en_fact", "false", 0, 10, "ada17dc818157ce3064d9dd2f7da4d62"),
        ("zh_fact", "false", 0, 5, "2810423b61d9775f13755ae7bdca1085"),
        ("zh_fact", "false", 0, 10, "90a20c65179bd4e2da9a2dc09c1a22d6"),
    ],
)
def test_the_choice_is_that_of_the_benchmark(
    shared_data: Path, file: str, choice: str, ratio: float, shown: int, digest: str
) -> None:
    path = shared_data / "rgb" / f"{file}.json"
    if not path.is_file() or hashlib.md5(path.read_bytes()).hexdigest() != FILES[file]:
        pytest.skip(f"{path} is not the cut of {file} that the benchmark's script was run on")
    found = hashlib.md5()
    for case in read_cases(path).cases:
        found.update(("\x00".join(CHOICES[choice](case, ratio, shown)) + "\x01").encode())
    assert found.hexdigest() == digest


def case(true: int, noise: int, wrong: int = 0) -> Case:
    return Case(
        "1", "Who?", (("Ada",),), "en", "plain",
        positive=tuple(f"true {n}" for n in range(true)),
        negative=tuple(f"noise {n}" for n in range(noise)),
        wrong=tuple(f"wrong {n}" for n in range(wrong)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("true", "noise", "ratio", "shown", "share"),
    [
        (9, 9, 0.0, 5, 0.0),
        (9, 9, 0.2, 5, 0.2),
        (9, 9, 0.25, 5, 0.4),  # rounded up
        (9, 9, 0.6, 5, 0.6),
        (9, 9, 0.7, 10, 0.7),
        (2, 9, 0.0, 5, 0.6),  # noise fills the places of true passages that are not there
        (9, 1, 0.8, 5, 0.2),  # and the other way round
        (9, 9, 1.0, 5, 1.0),
    ],
)
def test_the_ratio_is_kept_if_there_are_enough(true: int, noise: int, ratio: float, shown: int, share: float) -> None:
    one = case(true, noise)
    passages = mixed(one, ratio, shown)
    assert len(passages) == shown == len(set(passages))
    assert noise_share(one, passages) == pytest.approx(share)


def test_only_noise_is_never_filled_up() -> None:
    assert set(mixed(case(9, 2), 1.0)) == {"noise 0", "noise 1"}
    assert mixed(case(9, 0), 1.0) == ()


def test_the_seed_alone_decides_the_order() -> None:
    one = case(9, 9)
    assert mixed(one, 0.4) == mixed(one, 0.4)
    assert len({mixed(one, 0.4, seed=seed) for seed in range(10)}) > 5
    assert {frozenset(mixed(one, 0.4, seed=seed)) for seed in range(10)} == {frozenset(mixed(one, 0.4))}


def test_false_and_true_passages_are_the_same_ones() -> None:
    one = case(7, 0, wrong=7)
    assert [text.split()[1] for text in falsified(one)] == [text.split()[1] for text in unfalsified(one)]


def test_each_part_has_a_passage_however_many_there_are() -> None:
    groups = tuple((f"part {n} a", f"part {n} b") for n in range(7))
    one = Case("1", "Who?", (), "en", "parts", groups=groups, negative=("noise",) * 5)
    shown = of_each_part(one, 0.4, shown=5)
    assert {text.split()[1] for text in shown} == {str(n) for n in range(7)}
    assert len(shown) == 7

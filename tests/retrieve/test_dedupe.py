from __future__ import annotations

import time

from trivium.retrieve.dedupe import dedupe, resemblance, shingles
from trivium.types import Chunk, Hit


def hits(*texts: str) -> list[Hit]:
    return [Hit(Chunk(str(n), str(n), "s", t, 0, len(t)), 1.0 - n / 100, ("x",)) for n, t in enumerate(texts)]


LONG = "The warranty of the printer lasts twenty four months from the day of purchase and covers all of its parts."


def test_resemblance_by_hand() -> None:
    left, right = shingles("a b c d", size=2), shingles("b c d e", size=2)  # ab bc cd | bc cd de
    assert resemblance(left, right) == 2 / 4
    assert resemblance(frozenset(), frozenset()) == 1.0


def test_the_better_ranked_of_two_stays() -> None:
    almost = LONG.replace("all of its parts", "all of its many parts")
    other = "Returns are accepted within thirty days when the printer is unused and in its own box."
    assert [h.chunk.id for h in dedupe(hits(LONG, other, almost))] == ["0", "1"]


def test_case_width_and_punctuation_do_not_hide_a_repeat() -> None:
    assert len(dedupe(hits(LONG, LONG.upper().replace(",", " ;").replace("THE", "Ｔｈｅ")))) == 1


def test_chinese_repeats() -> None:
    text = "打印机的保修期为购买之日起二十四个月，涵盖所有零部件。"
    assert len(dedupe(hits(text, text.replace("，", "、")))) == 1
    assert len(dedupe(hits(text, "退货须在三十天内办理，且打印机未经使用并带有原包装。"))) == 2


def test_passages_that_differ_in_what_matters_stay() -> None:
    # One number in a short sentence touches several of its shingles.
    assert len(dedupe(hits("Model A lasts 24 months.", "Model B lasts 36 months."))) == 2


def test_short_and_empty_texts() -> None:
    assert len(dedupe(hits("Yes", "Yes", "No", "", ""))) == 3
    assert dedupe([]) == []


def test_fifty_passages_are_cheap() -> None:
    passages = hits(*(f"{n} ".join(LONG.split()) * 12 for n in range(50)))
    start = time.perf_counter()
    assert len(dedupe(passages)) == 50
    assert time.perf_counter() - start < 1.0  # about 10 ms on a quiet core

"""What fits into a budget: pure, on typed-in figures."""

from __future__ import annotations

import time

import pytest

from trivium.advise.arms import arm_of
from trivium.advise.budget import LEAST, Budget, PlannedArm, fitted, read_budget
from trivium.advise.prices import Prices, read_prices
from trivium.errors import UsageError
from trivium.types import Usage


def one(name: str, seconds: float, cost: float | None = None, training: float = 0.0) -> PlannedArm:
    return PlannedArm(arm_of(name), seconds, cost, training)


@pytest.mark.parametrize(
    ("words", "seconds", "money"),
    [("2h", 7200, None), ("30m", 1800, None), ("1.5 hours", 5400, None), ("5usd", None, 5), ("0.5 USD", None, 0.5)],
)
def test_a_budget_is_a_time_or_a_sum(words: str, seconds: float | None, money: float | None) -> None:
    found = read_budget(words)
    assert (found.seconds, found.money) == (seconds, money)


@pytest.mark.parametrize("words", ["", "2", "h", "5eur", "-1h", "1h30"])
def test_other_words_are_no_budget(words: str) -> None:
    with pytest.raises(UsageError, match="2h, 30m, 5usd"):
        read_budget(words)


def test_everything_that_fits_is_done() -> None:
    plan = fitted([one("closed_book", 0.5), one("advanced", 1.0)], 200, Budget(seconds=3600))
    assert (plan.questions, len(plan.arms), plan.left_out) == (200, 2, ())
    assert plan.seconds == 300


def test_fewer_questions_the_same_for_every_arm() -> None:
    plan = fitted([one("closed_book", 0.5), one("advanced", 1.0)], 200, Budget(seconds=100))
    assert plan.questions == 60  # 0.9 * 100 / 1.5
    assert plan.seconds == pytest.approx(90)


def test_rather_fewer_arms_than_too_few_questions() -> None:
    arms = [one("closed_book", 0.5), one("advanced", 1.0), one("closed_book+tuned", 0.5, training=600)]
    plan = fitted(arms, 200, Budget(seconds=120))
    assert [found.arm.name for found in plan.arms] == ["closed_book", "advanced"]
    assert [found.arm.name for found in plan.left_out] == ["closed_book+tuned"]
    assert plan.questions == 72


def test_the_closed_book_arm_stays_however_small_the_budget() -> None:
    plan = fitted([one("closed_book", 10.0), one("advanced", 10.0)], 200, Budget(seconds=60))
    assert [found.arm.name for found in plan.arms] == ["closed_book"]
    assert plan.questions == 5 < LEAST


def test_money_is_a_budget_too() -> None:
    plan = fitted([one("closed_book", 1, 0.01), one("advanced", 1, 0.03)], 200, Budget(money=4.0))
    assert plan.questions == 90
    assert plan.cost == pytest.approx(3.6)


def test_a_budget_is_spent_by_time_and_by_money() -> None:
    budget = Budget(money=1.0)
    budget.pay(0.6)
    budget.pay(None)
    assert not budget.spent
    budget.pay(0.4)
    assert budget.spent
    assert Budget(seconds=10, began=time.monotonic() - 11).spent
    assert not Budget().spent


def test_prices_are_read_from_a_file_of_the_user(tmp_path: object) -> None:
    file = tmp_path / "prices.json"  # type: ignore[operator]
    file.write_text('{"currency": "EUR", "models": {"mini": {"input": 1, "output": 4}}, "machine_hour": 0.36}', "utf-8")
    prices = read_prices(file)
    usage = Usage(1_000_000, 500_000)
    assert prices.currency == "EUR"
    assert prices.of_answers("gpt-Mini-2", usage, 10, remote=True) == 3.0
    assert prices.of_answers("llama", usage, 100, remote=False) == pytest.approx(0.01)
    assert prices.of_answers("llama", usage, 100, remote=True) is None
    assert Prices().of_answers("llama", usage, 100, remote=False) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"models": {"a": {"input": 1}}}', '{"models": {"a": 1}}'])
def test_prices_of_another_form_say_which_one_is_read(tmp_path: object, text: str) -> None:
    file = tmp_path / "prices.json"  # type: ignore[operator]
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match="machine_hour"):
        read_prices(file)

"""A budget of time or money: what a comparison will cost, from a probe of a few questions, and a limit that is kept."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trivium.advise.arms import FEW_SHOT, TRAINED, Arm
from trivium.advise.bench import Bench
from trivium.advise.parts import Parts
from trivium.errors import UsageError
from trivium.evaluate.run import ByExample
from trivium.patterns.few_shot import Shot
from trivium.types import Example, Usage

PROBE = 3
"""Questions of the validation part that each arm is asked for the plan, after one that warms it."""
LEAST = 20
"""Test questions below which a comparison says next to nothing: rather fewer arms than fewer questions."""
_SHARE = 0.9  # of the budget is planned with; the rest is for loading models and for chance
_SHOTS = 4
_READ = 250.0
"""Tokens a second that are learnt on a laptop's two cores, for a model of 135M parameters."""
_STARTING = 30.0  # seconds: loading, saving and exporting of what is tuned
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_TIMES = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "hours": 3600, "d": 86400}


@dataclass
class Budget:
    """What a comparison may take, and what it has taken. None is as much as it takes."""

    seconds: float | None = None
    money: float | None = None
    began: float = field(default_factory=time.monotonic)
    _paid: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        late = self.seconds is not None and time.monotonic() - self.began >= self.seconds
        return late or (self.money is not None and self._paid >= self.money)

    def pay(self, cost: float | None) -> None:
        """Count what an answer cost."""
        with self._lock:
            self._paid += cost or 0.0


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """What an arm will take: `seconds` and `cost` for all questions, `training` seconds before; `error` if it cannot
    be asked at all.
    """

    arm: Arm
    seconds: float
    cost: float | None
    training: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done: the arms that fit, on how many test questions; `left_out` did not fit."""

    arms: tuple[PlannedArm, ...]
    questions: int
    left_out: tuple[PlannedArm, ...] = ()

    @property
    def seconds(self) -> float:
        """Of everything."""
        return sum(one.seconds + one.training for one in self.arms)

    @property
    def cost(self) -> float | None:
        """Of everything; None where no price is known."""
        known = [one.cost for one in self.arms if one.cost is not None]
        return sum(known) if known else None


def read_budget(text: str, currency: str = "USD") -> Budget:
    """Return the budget that words such as `2h`, `30m` or `5usd` name.

    Raises:
        UsageError: they name none, or another currency than the prices have.
    """
    match = _AMOUNT.fullmatch(text)
    unit = match[2].lower() if match else ""
    if match is None or (unit not in _TIMES and unit != currency.lower()):
        raise UsageError(f"{text!r} is no budget.", f"Write a time or a sum: 2h, 30m, 5{currency.lower()}.")
    amount = float(match[1])
    return Budget(seconds=amount * _TIMES[unit]) if unit in _TIMES else Budget(money=amount)


def plan(
    arms: Sequence[Arm],
    bench: Bench,
    parts: Parts,
    shots: Sequence[Shot],
    budget: Budget,
    *,
    epochs: float = 3.0,
    most_training: float = math.inf,
    tell: Callable[[str], None] | None = None,
) -> Plan:
    """Ask each arm a few validation questions, and return what fits into the budget.

    Where not everything fits, fewer test questions are asked, the same of every arm; where that would leave fewer
    than `LEAST`, the last arms are left out. The closed-book arm stays.

    Args:
        arms: those wanted, the most important first.
        bench: the models.
        parts: the questions.
        shots: solved examples.
        budget: what may be taken.
        epochs: that adapters are trained for.
        most_training: seconds that one adapter may take.
        tell: told which arm is probed.
    """
    probes = tuple(parts.validation or parts.test)[: PROBE + 1]
    learnt = sum(len(one.question) + sum(map(len, one.answers[:1])) for one in parts.train) / 4
    training = min(most_training, _STARTING + epochs * learnt / _READ)
    found = []
    paid: set[str] = set()
    for arm in arms:
        if tell is not None:
            tell(arm.name)
        one = _probed(arm, bench, probes, shots)
        new = arm.adapter in TRAINED and arm.adapter not in paid and arm.adapter not in bench.adapters
        paid.add(arm.adapter)
        found.append(PlannedArm(arm, one.seconds, one.cost, training if new else 0.0, one.error))
    return fitted(found, len(parts.test), budget)


def fitted(probed: Sequence[PlannedArm], questions: int, budget: Budget) -> Plan:
    """Return the plan for arms whose `seconds` and `cost` are those of one question. Pure."""
    kept = list(probed)
    left_out: list[PlannedArm] = []
    while True:
        n = min(questions, _affordable(kept, budget))
        if n >= min(LEAST, questions) or len(kept) <= 1:
            break
        left_out.insert(0, kept.pop())
    n = max(n, 1)
    return Plan(tuple(_times(one, n) for one in kept), n, tuple(_times(one, n) for one in left_out))


def _affordable(arms: Sequence[PlannedArm], budget: Budget) -> int:
    """Return how many questions all arms can be asked."""
    most = math.inf
    if budget.seconds is not None:
        room = _SHARE * budget.seconds - sum(one.training for one in arms)
        most = min(most, room / max(sum(one.seconds for one in arms), 1e-9))
    if budget.money is not None:
        most = min(most, _SHARE * budget.money / max(sum(one.cost or 0.0 for one in arms), 1e-12))
    return int(max(0.0, min(most, 1e9)))


def _times(one: PlannedArm, n: int) -> PlannedArm:
    return PlannedArm(one.arm, one.seconds * n, None if one.cost is None else one.cost * n, one.training, one.error)


def _probed(arm: Arm, bench: Bench, probes: Sequence[Example], shots: Sequence[Shot]) -> PlannedArm:
    """Return what one question takes. An adapter that is not trained yet costs what the model without it does."""
    if arm.adapter in TRAINED and arm.adapter not in bench.adapters:
        arm_now = Arm(arm.name, arm.pattern, "", arm.road)
    else:
        arm_now = arm
    try:
        with bench.opened(arm_now, shots, _SHOTS if arm.pattern in FEW_SHOT else 0) as system:
            model = str(system.settings.get("chat", system.name))
            usage, began = Usage(), time.monotonic()
            for place, example in enumerate(probes):
                if place == 1:  # the first one loaded the models
                    usage, began = Usage(), time.monotonic()
                ask = system.ask
                usage += (ask.answer(example) if isinstance(ask, ByExample) else ask(example.question)).usage
            each = max(1, len(probes) - 1)
            seconds = (time.monotonic() - began) / each
            mean = Usage(usage.prompt_tokens // each, usage.completion_tokens // each)
            return PlannedArm(arm, seconds, bench.prices.of_answers(model, mean, seconds, remote=bench.remote))
    except Exception as error:  # reported when the arm is run, by its own words
        return PlannedArm(arm, 0.0, None, error=str(error))

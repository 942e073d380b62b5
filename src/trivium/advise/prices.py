"""What answers cost: a table of prices that the user can edit.

    {"currency": "USD",
     "models": {"gpt-4o-mini": {"input": 0.15, "output": 0.60}},
     "machine_hour": 0.50}

`input` and `output` are prices of a million tokens; a model is priced by the first key that its name holds.
`machine_hour` is what an hour of this machine costs, for models that run on it and for training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trivium.errors import UsageError
from trivium.types import Usage

_CURE = 'Write it like {"currency": "USD", "models": {"NAME": {"input": 0.15, "output": 0.60}}, "machine_hour": 0.5}.'


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a million tokens read and written, by a part of the model's name; and of an hour of this machine."""

    currency: str = "USD"
    models: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    machine_hour: float | None = None

    def of_answers(self, model: str, usage: Usage, seconds: float, *, remote: bool) -> float | None:
        """Return what answers cost; None where no price is known.

        Args:
            model: the name of the chat model.
            usage: the tokens of all answers.
            seconds: that they took.
            remote: whether the model runs elsewhere, and this machine's time costs nothing.
        """
        for name, (read, written) in self.models.items():
            if name.lower() in model.lower():
                return (usage.prompt_tokens * read + usage.completion_tokens * written) / 1e6
        return None if remote else self.of_time(seconds)

    def of_time(self, seconds: float) -> float | None:
        """Return what this machine costs for so long; None where that is not known."""
        return None if self.machine_hour is None else self.machine_hour * seconds / 3600


def read_prices(path: Path) -> Prices:
    """Return the prices of a file.

    Raises:
        UsageError: it cannot be read, or is not of this form.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        models = {name: (float(one["input"]), float(one["output"])) for name, one in found.get("models", {}).items()}
        hour = found.get("machine_hour")
        return Prices(str(found.get("currency", "USD")), models, None if hour is None else float(hour))
    except OSError as error:
        raise UsageError(f"The prices {path} cannot be read: {error.strerror}.", _CURE) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"The prices {path} are not of the form that is read: {error!r}.", _CURE) from error

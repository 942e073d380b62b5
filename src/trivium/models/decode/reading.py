"""One text being read by a causal model, token by token, with what it has read kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trivium.extras import need


class Reading:
    """A model that has read some tokens.

    Args:
        model: a causal Transformers model.
        ids: the tokens to begin with, at least one.

    Attributes:
        read: how many tokens it has read.
        logits: of the token to come, float32, shape (vocabulary,).
        hidden: the last layer's state at the last token, float32, shape (dimension,), where it was asked for.
        calls: how often the model was run.
    """

    def __init__(self, model: Any, ids: Sequence[int], *, hidden: bool = False) -> None:
        self._model = model
        self._hidden = hidden
        self._past: Any = None
        self.read = 0
        self.calls = 0
        self.hidden: Any = None
        self.logits: Any = None
        self.feed(ids)

    def feed(self, ids: Sequence[int]) -> Any:
        """Read tokens; return the logits after each of them, shape (len(ids), vocabulary), or (1, …) at the first."""
        torch = need("torch", extra="tune")
        block = torch.tensor([list(ids)], device=self._model.device)
        out = self._model(
            input_ids=block,
            past_key_values=self._past,
            use_cache=True,
            logits_to_keep=len(ids) if self.read else 1,
            output_hidden_states=self._hidden,
        )
        self._past = out.past_key_values
        self.read += len(ids)
        self.calls += 1
        rows = out.logits[0].float()
        self.logits = rows[-1]
        if self._hidden:
            self.hidden = out.hidden_states[-1][0, -1].float()
        return rows

    def forget(self, count: int) -> None:
        """Unread the last `count` tokens; `logits` are then those of nothing until more is read."""
        if count:
            self._past.crop(-count)
            self.read -= count

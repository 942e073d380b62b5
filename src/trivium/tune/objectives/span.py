"""Span questions: where in a passage an answer starts and ends, or that it has none (SQuAD 1.1 and 2.0).

Devlin et al. 2018, arXiv:1810.04805, section 4.2 and 4.3: start and end each by a softmax over the tokens, the first
token (`[CLS]`) for "no answer". A passage that is too long is read in windows that share tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trivium.errors import UsageError
from trivium.evaluate.metrics.answers import exact_match, token_f1
from trivium.tasks.training.values import SpanQuestion
from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.inputs import Tokens, encoder_inputs, evaluating, onto, pad_of, room, run_encoder
from trivium.tune.objectives.outcome import Outcome, Table, Verdict, mean, present, short

_NONE = 0  # the token that stands for "no answer"
_TRIED = 20  # starts and ends that are tried of a window


@dataclass(frozen=True, slots=True)
class _Window(Tokens):
    """A part of a passage with its question. `spans` are characters of the passage, one for each token of it."""

    start: int = _NONE
    end: int = _NONE
    first: int = 0
    """The place of the passage's first token."""
    spans: tuple[tuple[int, int], ...] = ()


class Span:
    """The objective of questions whose answers are spans of a passage.

    Args:
        attached: the model with its method.
        tokenizer: the model's; it must give the characters of its tokens.
        samples: of the training split: where none is unanswerable, the model never says "no answer".
        longest: tokens of a window, the question among them.
        tokens: of a micro-batch, with padding.
        stride: tokens that two windows on one passage share.
        longest_answer: tokens of an answer.

    Raises:
        UsageError: the tokenizer cannot tell where its tokens stand.
    """

    measure = "f1"
    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        samples: Sequence[SpanQuestion],
        *,
        longest: int = 384,
        tokens: int = 2048,
        stride: int = 128,
        longest_answer: int = 30,
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UsageError(
                "The base's tokenizer does not tell where its tokens stand in a text.", "Give a tokenizer.json."
            )
        self._attached, self._tokenizer, self._tokens = attached, tokenizer, tokens
        self._longest, self._pad = room(attached, tokenizer, longest), pad_of(tokenizer)
        self._stride, self._most = stride, longest_answer
        self._may_refuse = any(not sample.answers for sample in samples)

    def prepare(self, samples: Sequence[SpanQuestion]) -> Prepared:
        """See `Objective.prepare`."""
        windows = [window for place, sample in enumerate(samples) for window in self._windows(sample, place)]
        if not windows:
            raise UsageError(f"Of {len(samples)} questions none fits {self._longest} tokens.", "Raise --longest.")
        shown = next((window for window in windows if window.spans and window.start), windows[0])
        ids = list(shown.ids)
        parts = [self._tokenizer.decode(part) for part in (ids[: shown.start], ids[shown.start : shown.end + 1])]
        preview = f"{parts[0]} ⟦{parts[1]}⟧ {self._tokenizer.decode(ids[shown.end + 1 :])}"
        kept = {window.place for window in windows}
        return Prepared(
            windows,
            [len(window) for window in windows],
            len(kept),
            2 * len(windows),
            sum(map(len, windows)),
            {"question too long": tuple(one.id for place, one in enumerate(samples) if place not in kept)},
            preview,
        )

    def collate(self, items: Sequence[_Window]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum over the windows of the mean cross-entropy of start and end."""
        start, end = self._logits(batch)
        loss = sum(
            torch.nn.functional.cross_entropy(logits, batch[name], reduction="sum")
            for logits, name in ((start, "starts"), (end, "ends"))
        )
        return loss / 2, self.terms(batch)

    def terms(self, batch: Batch) -> int:
        """Return how many windows there are."""
        return len(batch["starts"])

    def scores(self, samples: Sequence[SpanQuestion]) -> Mapping[str, float]:
        """Return exact match and F1 of the answers; of questions with and without one where there are both."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[SpanQuestion], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`. A question that does not fit the model is answered by nothing."""
        best: list[tuple[float, str]] = [(-math.inf, "")] * len(samples)
        none = [math.inf] * len(samples)
        losses = np.full(len(samples), np.nan)
        model = self._attached.model
        windows = [window for place, sample in enumerate(samples) for window in self._windows(sample, place)]
        with evaluating(model):
            for group in micro_batches(windows, self._tokens):
                batch = onto(self._batch(group), model)
                start, end = self._logits(batch)
                each = torch.stack(
                    [
                        torch.nn.functional.cross_entropy(logits, batch[name], reduction="none")
                        for logits, name in ((start, "starts"), (end, "ends"))
                    ]
                ).mean(0)
                tables = (start.double().cpu().numpy(), end.double().cpu().numpy(), each.double().cpu().numpy())
                for window, starts, ends, loss in zip(group, *tables, strict=True):
                    place = window.place
                    found = best_span(starts, ends, window.first, window.first + len(window.spans), self._most)
                    if found is not None and found[0] > best[place][0]:
                        first, last = (window.spans[token - window.first] for token in found[1:])
                        best[place] = (found[0], samples[place].context[first[0] : last[1]])
                    none[place] = min(none[place], float(starts[_NONE] + ends[_NONE]))
                    losses[place] = np.nanmax([losses[place], loss])
        said = [
            "" if self._may_refuse and refusal > score else text
            for (score, text), refusal in zip(best, none, strict=True)
        ]
        return answered(samples, said, losses)

    def _logits(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of start and end, (B, T) each, with none on the padding."""
        out = run_encoder(self._attached.model, batch)
        off = batch["mask"] == 0
        return (
            out.start_logits.float().masked_fill(off, -math.inf),
            out.end_logits.float().masked_fill(off, -math.inf),
        )

    def _batch(self, items: Sequence[_Window]) -> dict[str, Any]:
        return {
            **encoder_inputs(items, self._pad),
            "starts": torch.tensor([item.start for item in items]),
            "ends": torch.tensor([item.end for item in items]),
        }

    def _windows(self, sample: SpanQuestion, place: int) -> list[_Window]:
        """Return the windows of a sample; none where the question leaves no room for the passage."""
        asked = len(self._tokenizer(sample.question, verbose=False)["input_ids"])
        space = self._longest - asked - 4
        if space < 8:
            return []
        made = self._tokenizer(
            sample.question,
            sample.context,
            truncation="only_second",
            max_length=self._longest,
            stride=min(self._stride, space // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        answer = (sample.starts[0], sample.starts[0] + len(sample.answers[0])) if sample.answers else None
        windows = []
        for number, ids in enumerate(made["input_ids"]):
            inside = [token for token, part in enumerate(made.sequence_ids(number)) if part == 1]
            if not inside:
                continue
            spans = tuple(tuple(made["offset_mapping"][number][token]) for token in inside)
            kinds = tuple(made["token_type_ids"][number]) if "token_type_ids" in made else ()
            start, end = _tokens_of(answer, spans, inside[0])
            windows.append(_Window(tuple(ids), kinds, place, start, end, inside[0], spans))
        return windows


def _tokens_of(answer: tuple[int, int] | None, spans: Sequence[tuple[int, int]], first: int) -> tuple[int, int]:
    """Return the first and last token of an answer, or the token for "none" where the window does not hold it all."""
    if answer is None or answer[0] < spans[0][0] or answer[1] > spans[-1][1]:
        return _NONE, _NONE
    touched = [place for place, (start, end) in enumerate(spans) if start < answer[1] and end > answer[0]]
    return (first + touched[0], first + touched[-1]) if touched else (_NONE, _NONE)


def best_span(starts: Table, ends: Table, first: int, stop: int, most: int) -> tuple[float, int, int] | None:
    """Return the best sum of a start's and an end's logit with its two tokens, or None where there is no token.

    Args:
        starts: the logits of a window, (T,).
        ends: likewise.
        first: the passage's first token.
        stop: behind its last.
        most: tokens that a span may have.
    """
    if first >= stop:
        return None
    likely = [first + np.argsort(-logits[first:stop], kind="stable")[:_TRIED] for logits in (starts, ends)]
    pairs = [
        (float(starts[start] + ends[end]), int(start), int(end))
        for start in likely[0]
        for end in likely[1]
        if start <= end < start + most
    ]
    if not pairs:  # the best starts stand behind the best ends: the best single token
        token = first + int(np.argmax(starts[first:stop] + ends[first:stop]))
        return float(starts[token] + ends[token]), token, token
    return max(pairs, key=lambda pair: pair[0])


def answered(samples: Sequence[SpanQuestion], said: Sequence[str], losses: Table | None = None) -> Outcome:
    """Return the outcome of answers; an empty one says that the passage has none.

    Args:
        samples: of a split.
        said: an answer for each.
        losses: of each; None where there is none.
    """
    losses = np.full(len(samples), np.nan) if losses is None else losses
    table = np.zeros((len(samples), 3))
    verdicts = []
    for place, (sample, text) in enumerate(zip(samples, said, strict=True)):
        if sample.answers:
            table[place] = exact_match(text, sample.answers), token_f1(text, sample.answers), 1.0
        else:
            table[place] = float(not text), float(not text), 0.0
        gold = short(" | ".join(dict.fromkeys(sample.answers)), 120) or "(no answer)"
        shown = f"{short(sample.question, 200)} ‖ {short(sample.context, 200)}"
        verdicts.append(
            Verdict(sample.id, shown, gold, short(text) or "(no answer)", float(losses[place]), float(table[place, 1]))
        )
    classes = tuple(
        ("answer" if sample.answers else "no answer", "answer" if text else "no answer")
        for sample, text in zip(samples, said, strict=True)
    )
    mixed = any(not sample.answers for sample in samples)
    return Outcome(tuple(verdicts), "f1", table, _scores, classes if mixed else ())


def _scores(table: Table) -> dict[str, float]:
    answerable = table[:, 2] == 1
    found = {"exact_match": mean(table[:, 0]), "f1": mean(table[:, 1])}
    if not answerable.all():
        found |= {"answerable_f1": mean(table[answerable, 1]), "unanswerable_accuracy": mean(table[~answerable, 0])}
    return present(found)

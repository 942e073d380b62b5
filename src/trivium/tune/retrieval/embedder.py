"""The objective of an embedder: a question's vector near those of its passages, and far from all others of the batch.

Contrastive loss with in-batch and hard negatives (InfoNCE; Karpukhin et al. 2020, DPR, arXiv:2004.04906), a teacher's
differences (MarginMSE, Hofstätter et al. 2020, arXiv:2010.02666), or a teacher's distribution (REPLUG LSR, Shi et al.
2023, arXiv:2301.12652); each also on the first dimensions alone (Matryoshka, Kusupati et al. 2022, arXiv:2205.13147).

It runs on the project's own loop and not on sentence-transformers' trainer: one set of checkpoints, errors and methods
for every task, and the pooling that the ONNX graph will run, so that what is trained is what is served.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch

from trivium.errors import UnknownName, UsageError
from trivium.models.encoder_config import EncoderConfig, read_config
from trivium.tasks.training.values import Retrieval
from trivium.tune.bases import Base
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.retrieval.plan import LOSSES, TEMPERATURE

Loss = Literal["contrastive", "margin", "replug"]
DEPTH = 10
_NEVER = -1e4
_AT_ONCE = 64  # texts embedded at a time where nothing is learnt


@dataclass(frozen=True, slots=True)
class Item:
    """A question's tokens, those of its passages, which of them are right, and a teacher's scores of them."""

    query: tuple[int, ...]
    passages: tuple[tuple[int, ...], ...]
    right: tuple[bool, ...]
    given: tuple[float, ...]

    def __len__(self) -> int:
        """Tokens."""
        return len(self.query) + sum(map(len, self.passages))


class Embed:
    """The objective of retrieval samples for an encoder.

    The negatives of a question are its own hard ones and all passages of the other questions of its step, which are
    therefore never cut into micro-batches: memory grows with `--batch`. A passage that is also the question's own, as
    it is of a question asked of the same passage, does not count as a negative.

    Args:
        attached: the model with its method.
        base: what it stands on: its folder says how it pools, and its prompts.
        longest: tokens of a text; the end is cut.
        negatives: hard ones of a question, the first ones; 0 for none but those in the batch.
        loss: of `LOSSES`; `margin` and `replug` want a teacher's scores.
        temperature: cosines are divided by it; a teacher's log-likelihoods too, in `replug`, by `teacher_temperature`.
        dimensions: lengths of vectors that are trained too, each weighing as much as the whole; empty for the whole.
        dtype: bfloat16 or float32, for the products of `scores`.

    Raises:
        UnknownName: no such loss.
        UsageError: a length is not one of the vectors, or the model pools in a way that is not trained here.
    """

    measure = f"ndcg@{DEPTH}"
    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        base: Base,
        *,
        longest: int = 256,
        negatives: int = 4,
        loss: Loss = "contrastive",
        temperature: float = TEMPERATURE,
        teacher_temperature: float = 1.0,
        dimensions: Sequence[int] = (),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if loss not in LOSSES["embedder"]:
            raise UnknownName("loss", loss, LOSSES["embedder"])
        self._config: EncoderConfig = read_config(base.folder)
        wrong = [size for size in dimensions if not 0 < size <= self._config.hidden]
        if wrong:
            raise UsageError(
                f"Vectors of {wrong[0]} dimensions cannot be cut from {self._config.hidden}.",
                f"Name lengths from 1 to {self._config.hidden}.",
            )
        self._attached, self._tokenizer = attached, base.tokenizer
        self._longest = min(longest, self._config.max_tokens)
        self._negatives, self._loss, self._dtype = negatives, loss, dtype
        self._temperature, self._teacher = temperature, teacher_temperature
        self._lengths = tuple(dict.fromkeys((self._config.hidden, *dimensions)))
        self._pad = int(base.tokenizer.pad_token_id or 0)

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`: questions without a passage, or without a teacher's scores, are left out."""
        bare = [sample.id for sample in samples if not sample.positives]
        taught = self._loss != "contrastive"
        unscored = [sample.id for sample in samples if sample.positives and taught and not _scored(sample)]
        left = {*bare, *unscored}
        items = [self._item(sample) for sample in samples if sample.id not in left or not left]
        if not items:
            raise UsageError(
                f"Of {len(samples)} questions none can be learnt from: {len(bare)} have no passage, {len(unscored)} no "
                "scores of a teacher.",
                "Name a teacher, or choose the contrastive loss, which needs no scores.",
            )
        first = items[0]
        return Prepared(
            items,
            [len(item) for item in items],
            len(items),
            sum(len(item.passages) for item in items),
            sum(map(len, items)),
            {"no passage": tuple(bare), "no scores": tuple(unscored)},
            f"{self._tokenizer.decode(first.query)}\n⟦1⟧ {self._tokenizer.decode(first.passages[0])}",
        )

    def collate(self, items: Sequence[Item]) -> list[Batch]:
        """See `Objective.collate`: one micro-batch, since each question learns from the others' passages."""
        passages = [*dict.fromkeys(chain.from_iterable(item.passages for item in items))]
        place = {passage: number for number, passage in enumerate(passages)}
        own = torch.zeros(len(items), len(passages), dtype=torch.bool)
        right, given = torch.zeros_like(own), torch.zeros(len(items), len(passages))
        for number, item in enumerate(items):
            for passage, is_right, score in zip(item.passages, item.right, item.given, strict=True):
                own[number, place[passage]] = True
                right[number, place[passage]] |= is_right
                given[number, place[passage]] = score
        return [
            {
                "queries": _padded([item.query for item in items], self._pad),
                "passages": _padded(passages, self._pad),
                "own": own,
                "right": right,
                "given": given,
            }
        ]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """See `Objective.loss`: a term is a question."""
        queries, passages = self._vectors(batch["queries"]), self._vectors(batch["passages"])
        total = queries.new_zeros(())
        for length in self._lengths:
            one, other = (torch.nn.functional.normalize(v[:, :length], dim=-1) for v in (queries, passages))
            total = total + self._one(one @ other.T / self._temperature, batch)
        return total / len(self._lengths), self.terms(batch)

    def _one(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the sum over the questions, from the scores (questions, passages)."""
        own, right, given = batch["own"], batch["right"], batch["given"]
        if self._loss == "margin":
            pairs = right[:, :, None] & (own & ~right)[:, None, :]
            gap = (scores[:, :, None] - scores[:, None, :]) - (given[:, :, None] - given[:, None, :])
            return ((gap.square() * pairs).sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)).sum()
        if self._loss == "replug":
            mine = torch.log_softmax(scores.masked_fill(~own, _NEVER), 1)
            wanted = torch.log_softmax((given / self._teacher).masked_fill(~own, _NEVER), 1)
            return (mine.exp() * (mine - wanted)).masked_fill(~own, 0.0).sum()  # KL(retriever || language model)
        found = torch.logsumexp(scores.masked_fill(~right, _NEVER), 1)
        return (torch.logsumexp(scores, 1) - found).sum()

    def terms(self, batch: Batch) -> int:
        """See `Objective.terms`."""
        return len(batch["right"])

    @torch.no_grad()
    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """Return nDCG@10 over all passages of all samples, by whole vectors, and by the first dimensions alone."""
        texts = [*dict.fromkeys(chain.from_iterable((*s.positives, *s.negatives) for s in samples))]
        place = {text: number for number, text in enumerate(texts)}
        passages = self._embedded([self._passage(text) for text in texts])
        queries = self._embedded([self._query(sample) for sample in samples])
        found = {}
        for length in self._lengths:
            one, other = (torch.nn.functional.normalize(v[:, :length], dim=-1) for v in (queries, passages))
            best = (one @ other.T).topk(min(DEPTH, len(texts)), dim=1).indices.tolist()
            gains = []
            for sample, order in zip(samples, best, strict=True):
                right = {place[text] for text in sample.positives}
                gained = sum(1 / math.log2(rank + 2) for rank, at in enumerate(order) if at in right)
                gains.append(gained / sum(1 / math.log2(rank + 2) for rank in range(min(DEPTH, len(right)))))
            name = self.measure if length == self._lengths[0] else f"{self.measure}_{length}"
            found[name] = sum(gains) / len(gains)
        return found

    def _embedded(self, rows: Sequence[tuple[int, ...]]) -> torch.Tensor:
        vectors = torch.empty(len(rows), self._config.hidden)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for start in range(0, len(order), _AT_ONCE):
            part = order[start : start + _AT_ONCE]
            with torch.autocast(self._attached.model.device.type, self._dtype, enabled=self._dtype is torch.bfloat16):
                vectors[part] = self._vectors(_padded([rows[place] for place in part], self._pad)).float().cpu()
        return vectors

    def _vectors(self, given: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the pooled states, (texts, hidden), as the ONNX graph pools them, not yet normalised."""
        given = {name: value.to(self._attached.model.device) for name, value in given.items()}
        states = self._attached.model(input_ids=given["ids"], attention_mask=given["mask"]).last_hidden_state.float()
        mask = given["mask"][:, :, None]
        if self._config.pooling == "cls":
            return states[:, 0]
        if self._config.pooling == "max":
            return states.masked_fill(mask == 0, -torch.inf).amax(1)
        return (states * mask).sum(1) / mask.sum(1)

    def _item(self, sample: Retrieval) -> Item:
        wrong = sample.negatives[: self._negatives]
        given = [*sample.positive_scores, *sample.negative_scores[: len(wrong)]]
        count = len(sample.positives) + len(wrong)
        return Item(
            self._query(sample),
            tuple(self._passage(text) for text in (*sample.positives, *wrong)),
            (*[True] * len(sample.positives), *[False] * len(wrong)),
            tuple(given) if len(given) == count else (0.0,) * count,
        )

    def _query(self, sample: Retrieval) -> tuple[int, ...]:
        return self._ids((sample.prompt or self._config.prompts.get("query", "")) + sample.query)

    def _passage(self, text: str) -> tuple[int, ...]:
        prompts = self._config.prompts
        return self._ids(prompts.get("passage", prompts.get("document", "")) + text)

    def _ids(self, text: str) -> tuple[int, ...]:
        text = text.lower() if self._config.lower_case else text
        return tuple(self._tokenizer(text, truncation=True, max_length=self._longest, verbose=False)["input_ids"])


def _scored(sample: Retrieval) -> bool:
    return bool(sample.positive_scores) and bool(sample.negative_scores)


def _padded(rows: Sequence[Sequence[int]], pad: int) -> dict[str, torch.Tensor]:
    width = len(rows), max(map(len, rows))
    ids, mask = torch.full(width, pad), torch.zeros(width, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return {"ids": ids, "mask": mask}

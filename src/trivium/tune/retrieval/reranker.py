"""The objective of a cross-encoder: question and passage read together, one score, the positive above the negatives.

Listwise softmax over a question's passages (Gao et al. 2021, Rethink Training of BERT Rerankers, arXiv:2101.08751),
binary cross-entropy (Nogueira and Cho 2019, arXiv:1901.04085), or a teacher's differences (MarginMSE, Hofstätter et
al. 2020, arXiv:2010.02666).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file

from trivium.errors import UnknownName, UsageError
from trivium.models.adapters import ADAPTER, CONFIG, SETTINGS
from trivium.models.weights import Weights, content_hash
from trivium.tasks.training.values import Retrieval
from trivium.tune.bases import Base
from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.retrieval.plan import LOSSES

Loss = Literal["listwise", "binary", "margin"]
_NEVER = -1e4  # the logit of a place that no passage fills
DEPTH = 10


@dataclass(frozen=True, slots=True)
class Group:
    """A question's pairs: ids and types of each, which are right, and the scores that came with them."""

    ids: tuple[tuple[int, ...], ...]
    types: tuple[tuple[int, ...], ...]
    right: tuple[bool, ...]
    given: tuple[float, ...]

    def __len__(self) -> int:
        """Tokens with padding."""
        return len(self.ids) * max(map(len, self.ids))


class Rerank:
    """The objective of retrieval samples for a sequence classifier with one label.

    Args:
        attached: the model with its method.
        tokenizer: the model's.
        longest: tokens of a pair; the passage's end is cut.
        tokens: of a micro-batch, with padding.
        negatives: of a question, the first ones; 0 for all.
        loss: of `LOSSES`. `margin` wants a teacher's scores.
        prior: how much the samples' own scores weigh beside the model's. With the scores of the search that found the
            passages, the model learns what to change in the search's order, and starts from it.
        dtype: bfloat16 or float32, for the products of `scores`.

    Raises:
        UnknownName: no such loss.
    """

    measure = f"ndcg@{DEPTH}"
    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest: int = 192,
        tokens: int = 4096,
        negatives: int = 0,
        loss: Loss = "listwise",
        prior: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if loss not in LOSSES["reranker"]:
            raise UnknownName("loss", loss, LOSSES["reranker"])
        self._attached, self._tokenizer = attached, tokenizer
        self._longest, self._tokens, self._negatives = longest, tokens, negatives
        self._loss, self._prior, self._dtype = loss, prior, dtype
        self._pad = int(tokenizer.pad_token_id or 0)

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`: samples without a positive or a negative, or without scores, are left out."""
        kept, bare, unscored = [], [], []
        scored = self._prior or self._loss == "margin"
        for sample in samples:
            if not sample.positives or not sample.negatives:
                bare.append(sample.id)
            elif scored and not (sample.positive_scores and sample.negative_scores):
                unscored.append(sample.id)
            else:
                kept.append(sample)
        if not kept:
            raise UsageError(
                f"Of {len(samples)} questions none can be learnt from: {len(bare)} have no passage that answers or "
                f"none that does not, {len(unscored)} have no scores.",
                "Mine negatives first, or choose the listwise loss, which needs no scores.",
            )
        groups = [self._group(sample, self._negatives) for sample in kept]
        size = sum(len(row) for group in groups for row in group.ids)
        return Prepared(
            groups,
            [len(group) for group in groups],
            len(groups),
            sum(len(group.ids) for group in groups),
            size,
            {"no passage": tuple(bare), "no scores": tuple(unscored)},
            f"⟦1⟧ {self._tokenizer.decode(groups[0].ids[0])}\n⟦0⟧ {self._tokenizer.decode(groups[0].ids[-1])}",
        )

    def collate(self, items: Sequence[Group]) -> list[Batch]:
        """See `Objective.collate`: whole questions, as many as fit."""
        return [_tensors(groups, self._pad) for groups in micro_batches(items, self._tokens)]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """See `Objective.loss`: a term is a question."""
        scores = self._scores(batch)  # (questions, passages)
        there, right = batch["there"], batch["right"]
        if self._loss == "margin":
            pairs = right[:, :, None] & (there & ~right)[:, None, :]
            gap = (scores[:, :, None] - scores[:, None, :]) - (batch["given"][:, :, None] - batch["given"][:, None, :])
            each = (gap.square() * pairs).sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)
            return each.sum(), len(each)
        scores = scores + self._prior * batch["given"]
        if self._loss == "binary":
            losses = torch.nn.functional.binary_cross_entropy_with_logits(scores, right.float(), reduction="none")
            each = (losses * there).sum(1) / there.sum(1)
            return each.sum(), len(each)
        scores = scores.masked_fill(~there, _NEVER)
        # The passages that answer share the probability: each may be the best one.
        each = torch.logsumexp(scores, 1) - torch.logsumexp(scores.masked_fill(~right, _NEVER), 1)
        return each.sum(), len(each)

    def terms(self, batch: Batch) -> int:
        """See `Objective.terms`."""
        return len(batch["right"])

    @torch.no_grad()
    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """Return nDCG@10 of the order that model and prior give, and `before`, that of the samples' own scores."""
        gains: list[float] = []
        before: list[float] = []
        for sample in samples:
            group = self._group(sample, 0)
            parts = [
                Group(
                    group.ids[at : at + 8], group.types[at : at + 8], group.right[at : at + 8], group.given[at : at + 8]
                )
                for at in range(0, len(group.ids), 8)
            ]
            found = []
            for part in parts:
                device = self._attached.model.device
                batch = {name: value.to(device) for name, value in _tensors([part], self._pad).items()}
                with torch.autocast(device.type, self._dtype, enabled=self._dtype is torch.bfloat16):
                    found += self._scores(batch)[0].tolist()
            mixed = [score + self._prior * given for score, given in zip(found, group.given, strict=True)]
            gains.append(ndcg(mixed, group.right))
            before.append(ndcg(group.given, group.right))
        return {self.measure: sum(gains) / len(gains), "before": sum(before) / len(before)}

    def _scores(self, batch: Batch) -> torch.Tensor:
        """Return the model's scores, shape (questions, passages); 0 where no passage is."""
        logits = self._attached.model(
            input_ids=batch["ids"], attention_mask=batch["mask"], token_type_ids=batch["types"]
        ).logits[:, 0]
        there = batch["there"]
        return torch.zeros(there.shape, device=logits.device).masked_scatter(there, logits.float())

    def _group(self, sample: Retrieval, negatives: int) -> Group:
        wrong = sample.negatives[:negatives] if negatives else sample.negatives
        passages = [*sample.positives, *wrong]
        given = [*sample.positive_scores, *sample.negative_scores[: len(wrong)]] or [0.0] * len(passages)
        encoded = self._tokenizer(
            [sample.prompt + sample.query] * len(passages),
            passages,
            truncation="only_second",
            max_length=self._longest,
            return_token_type_ids=True,
            verbose=False,
        )
        right = [True] * len(sample.positives) + [False] * len(wrong)
        return Group(
            tuple(map(tuple, encoded["input_ids"])),
            tuple(map(tuple, encoded["token_type_ids"])),
            tuple(right),
            tuple(given),
        )


def ndcg(scores: Sequence[float], right: Sequence[bool], k: int = DEPTH) -> float:
    """Return nDCG@k of the passages in the order of their scores; ties stay in the order given."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])[:k]
    gained = sum(1 / math.log2(rank + 2) for rank, place in enumerate(order) if right[place])
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, sum(right))))
    return gained / ideal if ideal else 0.0


def best_prior(samples: Sequence[Retrieval]) -> float:
    """Return the weight at which the samples' own scores alone give their positives the highest likelihood."""
    scored = [one for one in samples if one.positive_scores and one.negative_scores]
    if not scored:
        return 0.0
    return float(min(np.arange(1.0, 30.5, 0.5), key=lambda weight: -sum(likelihood(one, weight) for one in scored)))


def likelihood(sample: Retrieval, weight: float) -> float:
    """Return the log-probability of a sample's positives among its passages, by its own scores times `weight`."""
    scores = weight * np.array([*sample.positive_scores, *sample.negative_scores])
    return float(np.logaddexp.reduce(scores[: len(sample.positives)]) - np.logaddexp.reduce(scores))


def _tensors(groups: Sequence[Group], pad: int) -> Batch:
    """Return pairs padded to one length, (pairs, tokens), and the groups' own values, (questions, passages)."""
    rows = [row for group in groups for row in group.ids]
    types = [row for group in groups for row in group.types]
    longest, most = max(map(len, rows)), max(len(group.ids) for group in groups)
    width = len(rows), longest
    ids, kinds, mask = (
        torch.full(width, pad),
        torch.zeros(width, dtype=torch.long),
        torch.zeros(width, dtype=torch.long),
    )
    for place, (row, kind) in enumerate(zip(rows, types, strict=True)):
        ids[place, : len(row)] = torch.tensor(row)
        kinds[place, : len(row)] = torch.tensor(kind)
        mask[place, : len(row)] = 1
    there = torch.zeros(len(groups), most, dtype=torch.bool)
    right, given = torch.zeros_like(there), torch.zeros(len(groups), most)
    for place, group in enumerate(groups):
        there[place, : len(group.ids)] = True
        right[place, : len(group.ids)] = torch.tensor(group.right)
        given[place, : len(group.ids)] = torch.tensor(group.given)
    return {"ids": ids, "types": kinds, "mask": mask, "there": there, "right": right, "given": given}


def ship(attached: Attached, base: Base, folder: Path, said: Mapping[str, Any]) -> None:
    """Write a LoRA adapter so that `models.adapters` merges it without torch: PEFT's form, in float16.

    Args:
        attached: LoRA on an encoder; whatever else is trained or new (classifier, pooler) is written whole.
        base: what it stands on.
        folder: is written.
        said: for `trivium_adapter.json`: `prior`, `max_tokens`.
    """
    attached.save(folder)
    held = Weights(base.folder).names
    tensors = {}
    for name, parameter in attached.model.named_parameters():
        new = "pooler" in name and not any(name.endswith(one) for one in held)  # made at random, and not in the base
        if not (parameter.requires_grad or new):
            continue
        plain = name.replace(".modules_to_save", "").replace(".default", "")
        tensors[plain] = parameter.detach().half().contiguous()
    save_file(tensors, folder / ADAPTER)
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    layers = sorted({int(found[1]) for name in tensors if (found := re.search(r"layer\.(\d+)\..*lora_", name))})
    whole = sorted({name.split(".")[-3 if "pooler" in name else -2] for name in tensors if "lora_" not in name})
    config |= {"layers_to_transform": layers, "modules_to_save": whole, "base_model_name_or_path": base.name}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    about = {"base": base.name, "base_sha256": content_hash(base.folder), **said}
    (folder / SETTINGS).write_text(json.dumps(about, indent=2) + "\n", "utf-8")

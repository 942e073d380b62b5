"""The operations of a Llama-family layer with their gradients by hand, for training LoRA on a CPU.

Frozen weights get no gradient, so only the gradient of the input is multiplied out; what a general framework would
keep or compute beside it is left away. Shapes: N tokens of a batch without padding, D the hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

_ROWS = 256  # positions whose logits over the vocabulary are held at once


class Norm(Function):
    """RMS norm of the residual stream (Zhang and Sennrich 2019, arXiv:1910.07467): (N, D) float32 to `dtype`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight).to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, weight, scale = ctx.saved_tensors
        gain = grad.float() * weight
        along = (gain * x).sum(-1, keepdim=True).mul_(scale.pow(3)).div_(x.shape[-1])
        return gain.mul_(scale).addcmul_(x, along, value=-1), None, None, None


class LoraLinear(Function):
    """x Wᵀ + (x Aᵀ) Bᵀ with a frozen W (Hu et al. 2021, arXiv:2106.09685): (N, in) to (N, out).

    Several projections of one input are one W, one A and one block-diagonal B, which holds the scale α/r.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor) -> Tensor:
        low = x @ a.T
        ctx.save_for_backward(x, weight, a, b, low)
        return (x @ weight.T).addmm_(low, b.T)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor]:
        x, weight, a, b, low = ctx.saved_tensors
        inner = grad @ b
        to_x = (grad @ weight).addmm_(inner, a) if ctx.needs_input_grad[0] else None
        return to_x, None, inner.T @ x, grad.T @ low


class Swiglu(Function):
    """silu(gate) · up (Shazeer 2020, arXiv:2002.05202): both halves of (N, 2F) to (N, F)."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, -1)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        result = torch.empty_like(both)
        to_gate, to_up = result.chunk(2, -1)
        torch.mul(grad, torch.nn.functional.silu(gate), out=to_up)
        to_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return result


class Attention(Function):
    """Causal attention with rotary positions and grouped keys (Ainslie et al. 2023, arXiv:2305.13245).

    The queries of a group of heads are folded into rows of one product, so that keys are never repeated.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor, hidden: Tensor) -> Tensor:
        """(B, T, H, d), (B, T, G, d) twice, (B, T, 1, d/2) twice, (1 or B, T, T) with -inf where no token may look;
        to (B, T, H, d).
        """
        batch, length, heads, width = q.shape
        groups = k.shape[2]
        queries = _folded(_rotated(q, cos, sin), groups)
        keys = _rotated(k, cos, sin).transpose(1, 2).reshape(batch * groups, length, width)
        values = v.transpose(1, 2).reshape(batch * groups, length, width)
        scale = width**-0.5
        hidden = hidden.repeat(1, heads // groups, 1)
        hidden = hidden.repeat_interleave(groups, 0) if len(hidden) > 1 else hidden
        scores = torch.baddbmm(hidden, queries, keys.transpose(1, 2), alpha=scale)
        weights = torch.softmax(scores, -1)
        ctx.save_for_backward(queries, keys, values, weights, cos, sin)
        ctx.shape = (batch, length, heads, width, groups)
        return _unfolded(torch.bmm(weights, values), ctx.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        queries, keys, values, weights, cos, sin = ctx.saved_tensors
        batch, length, _, width, groups = ctx.shape
        out = _folded(grad, groups)
        to_values = torch.bmm(weights.transpose(1, 2), out)
        to_scores = torch._softmax_backward_data(torch.bmm(out, values.transpose(1, 2)), weights, -1, weights.dtype)
        scale = width**-0.5
        to_queries = _unfolded(torch.bmm(to_scores, keys).mul_(scale), ctx.shape)
        to_keys = torch.bmm(to_scores.transpose(1, 2), queries).mul_(scale)
        shape = (batch, groups, length, width)
        return (
            _rotated(to_queries, cos, -sin),
            _rotated(to_keys.view(shape).transpose(1, 2), cos, -sin),
            to_values.view(shape).transpose(1, 2),
            None,
            None,
            None,
        )


class LabelLoss(Function):
    """Sum of the cross-entropies at M labelled positions: (M, D), (V, D), (M,) to a scalar, in blocks of rows.

    The gradient is made with the loss, so that the logits are computed once and never kept.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        total = hidden.new_zeros((), dtype=torch.float32)
        grad = torch.empty_like(hidden)
        for start in range(0, len(targets), _ROWS):
            rows, wanted = hidden[start : start + _ROWS], targets[start : start + _ROWS, None]
            logits = (rows @ head.T).float()
            spread = logits.logsumexp(-1, keepdim=True)
            total += (spread - logits.gather(1, wanted)).sum()
            shares = logits.sub_(spread).exp_()
            shares.scatter_add_(1, wanted, torch.full_like(spread, -1.0))
            torch.mm(shares.to(head.dtype), head, out=grad[start : start + _ROWS])
        ctx.save_for_backward(grad)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return kept * grad.to(kept.dtype), None, None


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of a head's two halves by its position's angle (Su et al. 2021, arXiv:2104.09864)."""
    first, second = x.chunk(2, -1)
    result = torch.empty(x.shape, dtype=x.dtype)
    left, right = result.chunk(2, -1)
    torch.mul(first, cos, out=left).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=right).addcmul_(first, sin)
    return result


def _folded(x: Tensor, groups: int) -> Tensor:
    """(B, T, H, d) to (B·G, H/G·T, d)."""
    batch, length, heads, width = x.shape
    parts = x.reshape(batch, length, groups, heads // groups, width).permute(0, 2, 3, 1, 4)
    return parts.reshape(batch * groups, heads // groups * length, width)


def _unfolded(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B·G, H/G·T, d) to (B, T, H, d)."""
    batch, length, heads, width, groups = shape
    parts = x.view(batch, groups, heads // groups, length, width).permute(0, 3, 1, 2, 4)
    return parts.reshape(batch, length, heads, width)

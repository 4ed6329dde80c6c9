"""Masked least squares on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge import _core
from divulge.tensors.device import backend, on_device, place, same_place

__all__ = ["masked_least_squares", "sign_patterns"]


def masked_least_squares(
    basis: Tensor, targets: Tensor, masks: Tensor, tolerance: float = 1e-10
) -> tuple[Tensor, Tensor, Tensor]:
    """Write each target as a combination of those rows of a basis that its mask allows, in float64.

    On a device a basis that all problems share is reduced once by `torch.linalg.qr`, then each problem is one
    block's. Numbers that are not finite give NaN there; on the processor they are refused.

    Args:
        basis: B of shape (h, d), or (n, h, d) with one a problem.
        targets: b of shape (n, d).
        masks: booleans of shape (n, h).
        tolerance: an active row that lies within this share of its length from the span of the active rows
            before it is dropped.

    Returns:
        Coefficients r (n, h), argmin |r B - b|, zero off the mask and for dropped rows; the relative
        residuals |r B - b| / |b| (n,), 0 for b = 0; the number of rows used (n,).

    Raises:
        ValueError: shapes that do not fit, or a tolerance outside [0, 1).
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    same_place(basis=basis, targets=targets, masks=masks)
    if not on_device(targets):
        b, t, m = (tensor.detach().numpy() for tensor in (basis, targets, masks))
        found = _core.masked_least_squares(b, t, m, tolerance)
        return torch.from_numpy(found[0]), torch.from_numpy(found[1]), torch.from_numpy(found[2])
    _check(basis, targets, masks, tolerance)
    cuda = backend(targets)
    basis, targets = basis.detach().double(), targets.detach().double()
    (count, d), h = targets.shape, masks.shape[1]
    outside, triangular = None, basis.ndim == 2 and h <= d
    if triangular:
        basis, targets, outside = _reduced(basis, targets)
    stream, device = place(targets)
    coefficients, residuals = targets.new_empty(count, h), targets.new_empty(count)
    ranks = torch.empty(count, dtype=torch.int64, device=targets.device)
    room = targets.new_empty(cuda.masked_workspace(count, h, targets.shape[1], device))
    cuda.masked_least_squares(
        basis.contiguous(),
        triangular,
        targets.contiguous(),
        outside,
        masks.bool().contiguous(),
        tolerance,
        coefficients,
        residuals,
        ranks,
        room,
        stream,
        device,
    )
    return coefficients, residuals, ranks


def sign_patterns(jumps: Tensor, gradients: Tensor, tolerance: float = 1e-6) -> tuple[Tensor, Tensor, Tensor]:
    """Tell at many points which units of a hidden layer are active, from jumps D across their hyperplanes.

    -g = sum_i beta_i D_i, with beta_i = 1 for a unit that is switched off by its jump (active at the point)
    and 0 for one that is switched on; see `_core.sign_pattern`. By least squares over the jumps.

    Args:
        jumps: D of shape (h, d) for all points, or (n, h, d); h <= d, linearly independent.
        gradients: g of shape (n, d).
        tolerance: of what counts as 0 and 1.

    Returns:
        beta (n, h), the relative residuals (n,), and whether every beta is 0 or 1 and the residual 0, within
        the tolerance (n,). A jump that depends on others counts as not binary.

    Raises:
        ValueError: shapes that do not fit.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    h = jumps.shape[-2]
    masks = torch.ones(len(gradients), h, dtype=torch.bool, device=gradients.device)
    beta, residuals, ranks = masked_least_squares(jumps, -gradients, masks)
    near = torch.minimum(beta.abs(), (beta - 1).abs()) <= tolerance
    return beta, residuals, near.all(dim=1) & (residuals <= tolerance) & (ranks == h)


def _reduced(basis: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows (h, h) and targets (n, h) in an orthonormal basis of the rows, and |rest|^2 (n,)."""
    q, r = torch.linalg.qr(basis.mT)
    inside = targets @ q
    rest = targets - inside @ q.mT
    return r.mT, inside, (rest * rest).sum(dim=1)


def _check(basis: Tensor, targets: Tensor, masks: Tensor, tolerance: float) -> None:
    if targets.ndim != 2 or masks.ndim != 2 or basis.ndim not in (2, 3):
        raise ValueError(
            "expected a basis (h, d) or (n, h, d), targets (n, d) and masks (n, h), got "
            f"{tuple(basis.shape)}, {tuple(targets.shape)} and {tuple(masks.shape)}"
        )
    count, d = targets.shape
    expected = (count, masks.shape[1], d)[3 - basis.ndim :]
    if tuple(basis.shape) != expected:
        raise ValueError(f"expected a basis of shape {expected}, got {tuple(basis.shape)}")
    if len(masks) != count:
        raise ValueError(f"expected {count} masks, got {len(masks)}")
    if not 0 <= tolerance < 1:
        raise ValueError(f"expected a tolerance in [0, 1), got {tolerance}")

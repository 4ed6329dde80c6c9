"""How alike two attributions of the same inputs are."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["rank_correlation", "structural_similarity"]


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return Spearman's rank correlation of each input's attributions, float64, shape (n,).

    Equal values share the mean of their ranks; where all values of an attribution are equal it is 0.

    Raises:
        ValueError: shapes that differ.
    """
    from scipy.stats import rankdata

    _check(first, second)
    a, b = (
        torch.from_numpy(np.asarray(rankdata(x.detach().flatten(1).double().cpu().numpy(), axis=1)))
        for x in (first, second)
    )
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    sizes = (a * a).sum(1) * (b * b).sum(1)
    return torch.where(sizes > 0, (a * b).sum(1) / sizes.clamp_min(1e-300).sqrt(), 0)


def structural_similarity(first: Tensor, second: Tensor, *, window: int = 7) -> Tensor:
    """Return the structural similarity (SSIM) of each pair of images, float64, shape (n,).

    ((2 m_a m_b + C1) (2 s_ab + C2)) / ((m_a^2 + m_b^2 + C1) (s_a^2 + s_b^2 + C2)) with means, variances and
    covariance over square windows, averaged over all windows inside the image, C1 = .01^2, C2 = .03^2 (Wang
    et al. 2004). Channels are summed first, and each image is scaled to run from 0 to 1.

    Args:
        first: shape (n, channels, height, width).
        second: likewise.
        window: side of the windows, at most that of the images.

    Returns:
        From -1 to 1; NaN for inputs that are no images.

    Raises:
        ValueError: shapes that differ.
    """
    _check(first, second)
    if first.ndim != 4:
        return torch.full((len(first),), torch.nan, dtype=torch.float64)
    size = min(window, *first.shape[2:])
    a, b = (_unit(x.detach().double().sum(dim=1, keepdim=True)) for x in (first, second))

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, size, stride=1)

    m_a, m_b = mean(a), mean(b)
    unbiased = size * size / max(size * size - 1, 1)
    s_a, s_b, s_ab = (unbiased * (mean(x * y) - m * n) for x, y, m, n in
                      ((a, a, m_a, m_a), (b, b, m_b, m_b), (a, b, m_a, m_b)))  # fmt: skip
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * m_a * m_b + c1) * (2 * s_ab + c2)
    bottom = (m_a**2 + m_b**2 + c1) * (s_a + s_b + c2)
    similarity: Tensor = (top / bottom).mean(dim=(1, 2, 3))
    return similarity


def _unit(x: Tensor) -> Tensor:
    """Scale each image to run from 0 to 1; a constant one becomes 0."""
    low, high = x.amin(dim=(1, 2, 3), keepdim=True), x.amax(dim=(1, 2, 3), keepdim=True)
    return (x - low) / torch.where(high > low, high - low, 1)


def _check(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(
            f"expected attributions of one shape, got {tuple(first.shape)} and {tuple(second.shape)}"
        )

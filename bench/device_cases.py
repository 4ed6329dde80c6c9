"""What `ratios.py --device` runs: the kernels against what PyTorch does on the same device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from divulge import _core
from divulge.tensors import Curvature, kink_search, masked_least_squares
from engine_cases import Case


def kinks(device: str, lines: int = 10_000, d: int = 784, h: int = 128, baseline_lines: int = 8) -> Case:
    """Kink search on a network d-h-1; the baseline asks torch for a round of answers at a time."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device)

    weights, biases = [normal(h, d) / d**0.5, normal(1, h) / h**0.5], [0.1 * normal(h), normal(1)]
    u, v = normal(lines, d), normal(lines, d)

    def answer(points: Any) -> tuple[Any, Any]:
        x = torch.from_numpy(points).to(device).requires_grad_()
        values = (F.relu(x @ weights[0].T + biases[0]) @ weights[1].T + biases[1])[:, 0]
        (gradients,) = torch.autograd.grad(values.sum(), x)
        return values.detach().cpu().numpy(), gradients.cpu().numpy()

    def baseline() -> Any:
        part = (x[:baseline_lines].cpu().numpy() for x in (u, v))
        return _core.kink_search(_core.CallbackOracle(answer, d), *part, -1e4, 1e4)

    def check(own: Any, expected: Any) -> None:
        first = own.line < baseline_lines
        torch.testing.assert_close(own.t[first].cpu(), torch.tensor(expected.t), rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(
            own.jumps[first].cpu(), torch.tensor(expected.jumps), rtol=1e-8, atol=1e-11
        )

    return Case(
        lambda: kink_search(weights, biases, u, v, -1e4, 1e4),
        baseline,
        check,
        scale=lines / baseline_lines,
        note=f"{lines} lines on {d}-{h}-1; the baseline searches {baseline_lines}, its time is multiplied",
    )


def hessian_product(device: str, rows: int = 60_000, d: int = 784, h: int = 64) -> Case:
    """One exact product of d-h-10; the baseline keeps its graph from one product to the next."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(rows, d, generator=generator).to(device)
    y = torch.randint(0, 10, (rows,), generator=generator).to(device)
    weights = [
        torch.randn(h, d, generator=generator) / d**0.5,
        torch.randn(10, h, generator=generator) / h**0.5,
    ]
    parameters = [weights[0], torch.zeros(h), weights[1], torch.zeros(10)]
    parameters = [p.to(device).requires_grad_() for p in parameters]
    w1, b1, w2, b2 = parameters
    own = Curvature([w1, w2], [b1, b2], ["relu", "identity"], "cross_entropy", x, y[:, None].float())
    loss = F.cross_entropy(F.relu(x @ w1.T + b1) @ w2.T + b2, y)
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    vector = torch.randn(own.parameters, generator=generator).to(device)
    parts = [
        v.reshape(p.shape)
        for v, p in zip(vector.split([p.numel() for p in parameters]), parameters, strict=True)
    ]

    def baseline() -> Tensor:
        products = torch.autograd.grad(gradient, parameters, parts, retain_graph=True)
        return torch.cat([p.reshape(-1) for p in products])

    def check(own_product: Tensor, expected: Tensor) -> None:
        assert (own_product[0] - expected).norm() <= 1e-4 * expected.norm()

    return Case(
        lambda: own.hessian_products(vector[None]),
        baseline,
        check,
        note=f"one product, {rows} rows, {d}-{h}-10, float32; the baseline's graph is built once",
    )


def masked_solves(device: str, count: int = 10_000, h: int = 256, baseline_count: int = 20) -> Case:
    """Directions in terms of about half of h rows; the baseline solves one after the other."""
    rng = np.random.default_rng(2)
    basis = torch.tensor(rng.standard_normal((h, h)), device=device)
    masks = torch.tensor(rng.random((count, h)) < 0.5, device=device)
    targets = torch.tensor(rng.standard_normal((count, h)), device=device)

    def baseline() -> list[Tensor]:
        pairs = zip(masks[:baseline_count], targets[:baseline_count], strict=True)
        return [torch.linalg.lstsq(basis[m].T, b[:, None]).solution[:, 0] for m, b in pairs]

    def check(own: Any, expected: list[Tensor]) -> None:
        for r, mask, x in zip(own[0], masks, expected, strict=False):
            torch.testing.assert_close(r[mask], x, rtol=1e-9, atol=1e-10)

    return Case(
        lambda: masked_least_squares(basis, targets, masks),
        baseline,
        check,
        scale=count / baseline_count,
        note=f"{count} solves of {h} unknowns, half allowed; the baseline calls torch.linalg.lstsq for "
        f"{baseline_count}, its time is multiplied",
    )


CASES: dict[str, Callable[[str], Case]] = {
    "device_kink_search_784_128_1": kinks,
    "device_hessian_product_784_64_10": hessian_product,
    "device_masked_solves_256": masked_solves,
}

"""What the benchmarks of influence functions run: a 784-64-10 ReLU classifier on 60,000 made-up images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge import Influence, _core
from divulge.reference import kronecker as reference_kronecker
from divulge.reference.curvature import Curvature
from engine_cases import Case

DAMPING = 0.01


@cache
def classifier(rows: int) -> tuple[nn.Sequential, Tensor, Tensor]:
    """Return a briefly trained network in float32, and the data it was trained on."""
    generator = torch.Generator().manual_seed(0)
    prototypes = torch.rand(10, 784, generator=generator)
    y = torch.randint(0, 10, (rows,), generator=generator)
    x = (prototypes[y] + 0.7 * torch.randn(rows, 784, generator=generator)).clamp_(0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-3)
    for step in range(200):
        part = slice(256 * step % (rows - 255), 256 * step % (rows - 255) + 256)
        optimizer.zero_grad()
        F.cross_entropy(net(x[part]), y[part]).backward()
        optimizer.step()
    return net, x, y


def native_curvature(rows: int) -> Any:
    net, x, y = classifier(rows)
    layers = [net[0], net[2]]
    arrays = [
        [p.detach().numpy() for p in part] for part in zip(*((a.weight, a.bias) for a in layers), strict=True)
    ]
    targets = y[:, None].numpy().astype(np.float32)
    return _core.Curvature32(*arrays, ["relu", "identity"], "cross_entropy", x.numpy(), targets)


class TorchProducts:
    """Hessian products by double backward, with a graph of its own for each or one that is kept."""

    def __init__(self, rows: int, kept: bool) -> None:
        self.net, self.x, self.y = classifier(rows)
        self.parameters = list(self.net.parameters())
        self.kept = self.gradient() if kept else None

    def gradient(self) -> tuple[Tensor, ...]:
        """Build the graph of the mean loss's gradient."""
        loss = F.cross_entropy(self.net(self.x), self.y)
        return torch.autograd.grad(loss, self.parameters, create_graph=True)

    def __call__(self, vector: Tensor) -> Tensor:
        """Return H v (P,) for v (P,)."""
        gradient = self.kept or self.gradient()
        sizes = [p.numel() for p in self.parameters]
        pairs = zip(torch.split(vector, sizes), self.parameters, strict=True)
        parts = [v.reshape(p.shape) for v, p in pairs]
        product = torch.autograd.grad(gradient, self.parameters, parts, retain_graph=True)
        return torch.cat([p.reshape(-1) for p in product])


def hvp(vectors: int, kept: bool) -> Case:
    """Native products of a block; the baseline multiplies one vector."""
    core, torch_products = native_curvature(60_000), TorchProducts(60_000, kept)
    v = np.random.default_rng(0).standard_normal((vectors, core.parameters)).astype(np.float32)
    first = torch.from_numpy(v[0])

    def check(native: Any, baseline: Any) -> None:
        expected = baseline.numpy()
        assert np.abs(native[0] - expected).max() <= 1e-4 * np.abs(expected).max()

    how = "a product with a kept graph" if kept else "double backward"
    flops = 4 * 60_000 * core.parameters * vectors / 1e9
    return Case(
        lambda: core.hessian_products(v),
        lambda: torch_products(first),
        check,
        scale=vectors,
        note=f"{vectors} vectors, {flops:.1f} GFLOP; {how} in torch, one vector times {vectors}",
    )


def _torch_cg(products: TorchProducts, b: Tensor) -> Tensor:
    """Conjugate gradients for one vector, as a user would write them."""
    x, r = torch.zeros_like(b), b.clone()
    p, square = r.clone(), r @ r
    goal = 1e-5 * b.norm()
    for _ in range(500):
        product = products(p) + DAMPING * p
        step = square / (p @ product)
        x, r = x + step * p, r - step * product
        if r.norm() <= goal:
            break
        after = r @ r
        p, square = r + after / square * p, after
    return x


def influence(rows: int, tests: int, baseline_tests: int) -> Case:
    """Scores of all rows on some test points; the baseline takes the first of them."""
    net, x, y = classifier(rows)
    generator = torch.Generator().manual_seed(1)
    test_x = torch.rand(tests, 784, generator=generator)
    test_y = torch.randint(0, 10, (tests,), generator=generator)

    def native() -> Any:
        return Influence(net, (x, y), damping=DAMPING).scores((test_x, test_y))

    def baseline() -> Any:
        products = TorchProducts(rows, kept=True)
        scores = []
        for i in range(baseline_tests):
            loss = F.cross_entropy(net(test_x[i : i + 1]), test_y[i : i + 1])
            g = torch.cat([p.reshape(-1) for p in torch.autograd.grad(loss, products.parameters)])
            scores.append(-_along(products, _torch_cg(products, g)))
        return torch.stack(scores).numpy()

    def check(native: Any, baseline: Any) -> None:
        for a, b in zip(native, baseline, strict=False):
            assert np.corrcoef(a, b)[0, 1] > 0.9999
            assert np.abs(a - b).max() <= 0.01 * np.abs(b).max()

    return Case(
        native,
        baseline,
        check,
        scale=tests / baseline_tests,
        long=rows > 10_000,
        note=f"exact Hessian, damping {DAMPING}; conjugate gradients with a kept graph in torch, test point "
        f"by test point, {baseline_tests} of {tests}",
    )


def _along(products: TorchProducts, vector: Tensor) -> Tensor:
    """Return the samples' gradients times a vector (n,), as the derivative of their losses along it."""
    losses = F.cross_entropy(products.net(products.x), products.y, reduction="none")
    u = torch.zeros_like(losses, requires_grad=True)
    pulled = torch.autograd.grad(losses, products.parameters, u, create_graph=True)
    flat = torch.cat([p.reshape(-1) for p in pulled])
    return torch.autograd.grad(flat @ vector, u)[0]


def ekfac_fit_60000() -> Case:
    """The eigenvalue fit; 30 copies of 2,000 samples, of which the baseline takes one."""
    net, x, y = classifier(2_000)
    layers = [net[0], net[2]]
    weights, biases = [a.weight.detach() for a in layers], [a.bias.detach() for a in layers]
    arguments = (weights, biases, ["relu", "identity"], "cross_entropy")
    twin = Curvature(*arguments, x, y[:, None])
    cotangents = torch.randn(2_000, 10, generator=torch.Generator().manual_seed(2))
    factors = reference_kronecker.kronecker_factors(twin, cotangents)
    inner, outer = (
        [torch.linalg.eigh(f)[1].contiguous() for f in part] for part in zip(*factors, strict=True)
    )
    copies = np.tile(x.numpy(), (30, 1)), np.tile(y[:, None].numpy().astype(np.float32), (30, 1))
    arrays = [[t.numpy() for t in part] for part in (weights, biases, inner, outer)]
    core = _core.Curvature32(*arrays[:2], *arguments[2:], *copies)
    all_cotangents = np.tile(cotangents.numpy(), (30, 1))

    def check(native: Any, baseline: Any) -> None:
        for a, b in zip(native, baseline, strict=True):
            assert np.abs(a - b.numpy()).max() <= 1e-3 * float(b.max())

    return Case(
        lambda: core.kronecker_eigenvalues(all_cotangents, arrays[2], arrays[3]),
        lambda: _materialised_eigenvalues(twin, cotangents, inner, outer),
        check,
        scale=30.0,
        note="one label a sample; per-sample gradients formed by vmap, 2,000 samples times 30",
    )


def _materialised_eigenvalues(
    twin: Curvature, cotangents: Tensor, inner: list[Tensor], outer: list[Tensor]
) -> list[Tensor]:
    """Form 200 samples' gradients at a time, so that they fit into memory."""
    total = [torch.zeros(len(u), len(v)) for u, v in zip(outer, inner, strict=True)]
    inputs, targets = twin.inputs, twin.targets
    for begin in range(0, len(inputs), 200):
        part = slice(begin, begin + 200)
        twin.inputs, twin.targets = inputs[part], targets[part]
        fitted = reference_kronecker.kronecker_eigenvalues(twin, cotangents[part], inner, outer)
        total = [t + f * 200 / len(inputs) for t, f in zip(total, fitted, strict=True)]
    twin.inputs, twin.targets = inputs, targets
    return total


CASES: dict[str, Callable[[], Case]] = {
    "hvp_60000_784_64_10": lambda: hvp(1, kept=False),
    "hvp_kept_graph_60000_784_64_10": lambda: hvp(1, kept=True),
    "hvp_block16_60000_784_64_10": lambda: hvp(16, kept=False),
    "hvp_block16_kept_graph_60000_784_64_10": lambda: hvp(16, kept=True),
    "influence_1000x10": lambda: influence(1_000, 10, 10),
    "influence_60000x100": lambda: influence(60_000, 100, 1),
    "ekfac_fit_60000": ekfac_fit_60000,
}

"""The problems that kronfluence and curvlinops are tested on: modules, shapes, targets and losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from peers_modules import Causal, Classifier, FromDict, Pixels, Shared, Unet, convolutions, mlp, repeated
from torch import nn


@dataclass
class Case:
    """A problem: what makes the module, a sample's inputs, its targets, the loss here and for the reference.

    Attributes:
        make: the module.
        shape: of a sample's inputs.
        targets: from a generator and n to targets.
        loss: as `Influence` takes it.
        truth: from outputs (1, ...) and targets (1, ...) to a number.
        task: whatever else the task says.
        of: what is explained, here and for the reference.
        tokens: the inputs are tokens with a mask, of this shape.
        closed: whether EK-FAC has a closed form here whose labels are not drawn.
    """

    make: object
    shape: tuple
    targets: object
    loss: object
    truth: object
    task: dict = field(default_factory=dict)
    of: tuple = (None, None)
    tokens: bool = False
    closed: bool = False


def classes(k, *positions):
    return lambda rng, n: rng.integers(0, k, (n, *positions))


def numbers(*shape):
    return lambda rng, n: rng.uniform(0, 1, (n, *shape))


def signs(*shape):
    return lambda rng, n: rng.integers(0, 2, (n, *shape)).astype(float)


def text_targets(rng, n):
    found = rng.integers(0, 6, (n, 5))
    found[:, 4:] = -100
    return found


def entropy(z, y):
    return F.cross_entropy(z, y)


def squares(z, y):
    return ((z - y) ** 2).sum() / 2


def margin(z, y):
    """Return minus the log odds of the label, kronfluence's measurement."""
    right = z.gather(1, y[:, None])[:, 0]
    others = z.masked_fill(F.one_hot(y, z.shape[1]).bool(), -torch.inf).logsumexp(1)
    return others - right


CE, MSE, BCE = nn.CrossEntropyLoss, nn.MSELoss, nn.BCEWithLogitsLoss
FIVES = (5, 10)
MARGIN = (margin, lambda z, y: margin(z, y).sum())


def torchs(make, shape, targets, kind, reduction, **more):
    """A case with one of torch's losses; the reference takes it as it is."""
    return Case(make, shape, targets, kind(reduction=reduction), kind(reduction=reduction), **more)


CASES = {
    # curvlinops: matrices and their inverses
    "classes": Case(lambda: mlp(10, 5, 3), (10,), classes(3), "cross_entropy", entropy, closed=True),
    "numbers": Case(lambda: mlp(8, 5, 3), (8,), numbers(3), "squared", squares, closed=True),
    **{
        f"{name}, {reduction}": torchs(make, shape, targets, kind, reduction)
        for reduction in ("mean", "sum")
        for name, make, shape, targets, kind in (
            ("torch's entropy", lambda: mlp(10, 5, 3), (10,), classes(3), CE),
            ("torch's squares", lambda: mlp(8, 5, 3), (8,), numbers(3), MSE),
            ("one logit", lambda: mlp(10, 5, 1), (10,), signs(1), BCE),
            ("two logits", lambda: mlp(10, 5, 2), (10,), signs(2), BCE),
            ("logits at positions", lambda: mlp(10, 5, 2), FIVES, signs(5, 2), BCE),
            ("squares at positions", lambda: mlp(8, 5, 3), (5, 8), numbers(5, 3), MSE),
            (
                "classes second",
                lambda: Shared(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 3), how="classes second"),
                FIVES,
                classes(3, 5),
                CE,
            ),
            (
                "linear, one output",
                lambda: nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1)),
                (6,),
                numbers(1),
                MSE,
            ),
            ("pixels", lambda: Pixels("last"), (3, 4, 4), numbers(5, 5, 2), MSE),
            ("pixels in a row", lambda: Pixels("row"), (3, 4, 4), numbers(50), MSE),
            ("mean of pixels", lambda: Pixels("mean"), (3, 4, 4), numbers(2), MSE),
            ("u-net, squares", lambda: Unet("last"), (3, 4, 4), numbers(4, 4, 3), MSE),
            ("u-net, logits", lambda: Unet("last"), (3, 4, 4), signs(4, 4, 3), BCE),
            ("u-net, logits in a row", lambda: Unet("row"), (3, 4, 4), signs(48), BCE),
            ("u-net, classes second", lambda: Unet("second"), (3, 4, 4), classes(3, 4, 4), CE),
        )
    },
    "positions by name": Case(
        lambda: mlp(10, 5, 3), FIVES, classes(3, 5), "cross_entropy", lambda z, y: F.cross_entropy(z[0], y[0])
    ),
    "positions by name, sum": Case(
        lambda: mlp(10, 5, 3),
        FIVES,
        classes(3, 5),
        "cross_entropy",
        lambda z, y: F.cross_entropy(z[0], y[0], reduction="sum"),
        {"positions": "sum"},
    ),
    "squares by name, sum": Case(
        lambda: mlp(8, 5, 3), (5, 8), numbers(5, 3), "squared", squares, {"positions": "sum"}
    ),
    "linear, outputs": Case(
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)),
        (5,),
        numbers(3),
        "squared",
        squares,
        closed=True,
    ),
    "shared, a row": Case(
        lambda: Shared(nn.Linear(4, 3), nn.Linear(3, 2), how="row"),
        (3, 4),
        numbers(6),
        "squared",
        squares,
        closed=True,
    ),
    "shared, a mean": Case(
        lambda: Shared(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), how="mean"),
        (3, 4),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "shared, mean over two": Case(
        lambda: Shared(nn.Linear(4, 3), nn.Linear(3, 2), how="mean"),
        (2, 3, 4),
        numbers(2),
        "squared",
        squares,
        closed=True,
    ),
    "mean of pixels, classes": Case(
        lambda: Pixels("mean"), (3, 4, 4), classes(2), "cross_entropy", entropy, closed=True
    ),
    "dict, whole": Case(
        lambda: FromDict(2),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        {"call": lambda m, x: m({"x": x})},
        closed=True,
    ),
    "network of images": Case(
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2, 3, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(3, 5),
        ),
        (1, 8, 8),
        classes(5),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "dropout, evaluating": Case(
        lambda: nn.Sequential(nn.Linear(10, 5), nn.Dropout(), nn.ReLU(), nn.Linear(5, 2)),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "batch norm, evaluating": Case(
        lambda: nn.Sequential(nn.Linear(10, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    # kronfluence: its tasks
    **{
        f"regression{'' if bias else ', no bias'}": Case(
            lambda bias=bias: nn.Sequential(
                nn.Linear(10, 8, bias), nn.ReLU(), nn.Linear(8, 8, bias), nn.ReLU(), nn.Linear(8, 1, bias)
            ),
            (10,),
            lambda rng, n: rng.integers(-5, 5, (n, 1)).astype(float),
            "squared",
            squares,
            closed=True,
        )
        for bias in (True, False)
    },
    "regression, sum of squares": torchs(lambda: mlp(10, 8, 8, 1), (10,), numbers(1), MSE, "sum"),
    "repeated": Case(repeated, (5,), numbers(1), "squared", squares, closed=True),
    "repeated, no bias": Case(lambda: repeated(False), (5,), numbers(1), "squared", squares, closed=True),
    **{
        f"images{', normalised' * norm}, {'margin' if of[0] else 'loss'}{', no bias' * (not bias)}": Case(
            lambda norm=norm, bias=bias: convolutions(norm, bias),
            (3, 5, 5),
            classes(5),
            "cross_entropy",
            entropy,
            of=of,
            closed=True,
        )
        for norm in (False, True)
        for of in ((None, None), MARGIN)
        for bias in (True, False)
    },
    "texts' classes, margin": Case(
        Classifier, (5,), classes(3), "cross_entropy", entropy, of=MARGIN, tokens=True, closed=True
    ),
    "multiple choice": Case(
        lambda: Classifier(choices=True),
        (4, 5),
        classes(4),
        "cross_entropy",
        entropy,
        of=MARGIN,
        tokens=True,
        closed=True,
    ),
    "language": Case(
        Causal,
        (5,),
        text_targets,
        "cross_entropy",
        lambda z, y: F.cross_entropy(z[0], y[0], reduction="sum"),
        {"positions": "sum"},
        tokens=True,
    ),
}

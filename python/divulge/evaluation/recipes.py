"""How the small models of the experiments are trained."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from divulge.datasets import BlockData
from divulge.names import BLOCK_NETWORKS
from divulge.training import Pgd, fit_classifier, mlp, patch_cnn

__all__ = ["BLOCK_RADIUS", "fit_block_model"]

# Of the l2 ball that robust models of BlockMNIST are trained against.
BLOCK_RADIUS = {"cnn": 4.0, "mlp": 4.0}
# Passes over the images, learning rate and weight decay, plainly and against the adversary, whose ball grows
# over the first half of them. In larger steps a plain network learns to lean on the null block, as on a bias,
# where it can; without weight decay a robust one keeps what its first weights happened to be behind it.
_TRAINING = {
    "cnn": ((8, 2e-4, 0.0), (7, 2e-3, 1e-3)),
    "mlp": ((4, 2e-3, 3e-4), (6, 2e-3, 3e-4)),
}
_ATTACK_STEPS, _WARM_UP = 4, 0.5


def fit_block_model(
    kind: str,
    data: BlockData,
    radius: float = 0.0,
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Train the classifier that the BlockMNIST figures are about.

    Args:
        kind: "cnn", `divulge.training.patch_cnn` with patches of about half the image's width, or "mlp", one
            hidden layer of 512 units.
        data: what to train on.
        radius: of the l2 ball in which projected gradient ascent, in 4 steps, looks for the inputs that are
            trained on; 0 trains on the data themselves. The ball grows over the first half of the training.
        seed: of the initial weights and of the order of the inputs.
        progress: called with the epochs done and the number of all, after each.

    Raises:
        ValueError: another kind, or a negative radius.
    """
    if kind not in BLOCK_NETWORKS:
        raise ValueError(f"expected a model {' or '.join(BLOCK_NETWORKS)}, got {kind!r}")
    shape, classes = data.input_shape, data.classes
    if kind == "cnn":
        module = patch_cnn(shape, classes, seed=seed, patch=max(1, shape[-1] // 4))
    else:
        module = mlp(shape, [512], classes, seed=seed)
    attack = Pgd(radius, norm="l2", steps=_ATTACK_STEPS, warm_up=_WARM_UP) if radius else None
    epochs, learning_rate, weight_decay = _TRAINING[kind][attack is not None]
    return fit_classifier(
        module,
        data.inputs,
        data.targets,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        perturb=attack,
        progress=progress,
    )

"""Simpler scores with the interface of `Influence`, to compare it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.jit import ScriptModule

from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array, blocks
from divulge.training.modes import copied

__all__ = ["GradientSimilarity", "RandomProjection", "RepresenterPoints", "TracIn"]

_ROWS = 256


class GradientSimilarity:
    """- grad f(t) . grad L(z_i), or the cosine of the two: `Influence` with the identity in H's place.

    Args:
        module: as for `Influence`, like the next three.
        loss: of the samples.
        train: the training data.
        parameters: names of those in question.
        cosine: divide by both gradients' norms; 0 where one of them is zero.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        loss: str | LossFunction = "cross_entropy",
        parameters: Sequence[str] | None = None,
        cosine: bool = False,
    ) -> None:
        self._base = Influence(module, train, loss=loss, parameters=parameters)
        self.cosine = cosine

    def scores(self, test: Any, of: str | LossFunction = "loss") -> Array:
        """Return scores (m, n), above zero where up-weighting a sample would harm the test point."""
        gradients = self._base.gradients(test, of)
        products = -self._base.operator.scores(gradients)
        if not self.cosine:
            return products
        norms = np.linalg.norm(gradients, axis=1)[:, None] * self._sample_norms()
        return np.asarray(products / np.where(norms > 0, norms, 1), products.dtype)

    def _sample_norms(self) -> Array:
        """Return the norms (n,) of the samples' gradients, formed a few at a time."""
        base, n = self._base, self._base.operator.rows
        parts = [
            np.linalg.norm(base.gradients(base.train.take(np.arange(n)[rows])), axis=1)
            for rows in blocks(n, _ROWS)
        ]
        return np.concatenate(parts)


class TracIn:
    """- sum over checkpoints of learning rate times grad f(t) . grad L(z_i) (Pruthi et al. 2020, TracInCP).

    Args:
        module: as for `Influence`; its own values are not used.
        checkpoints: state dicts of the module on its way through training.
        learning_rates: one a checkpoint.
        loss: as for `Influence`.
        train: the training data.
        parameters: names of those in question.

    Raises:
        ValueError: no checkpoint, another number of learning rates, or a module with an instance's forward().
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        checkpoints: Sequence[Mapping[str, Tensor]],
        learning_rates: Sequence[float],
        loss: str | LossFunction = "cross_entropy",
        parameters: Sequence[str] | None = None,
    ) -> None:
        if len(checkpoints) == 0 or len(checkpoints) != len(learning_rates):
            raise ValueError(
                f"expected a learning rate for each checkpoint, "
                f"got {len(learning_rates)} for {len(checkpoints)}"
            )
        own = [
            name
            for name, part in module.named_modules()
            if "forward" in part.__dict__ and not isinstance(part, ScriptModule)
        ]
        if own:
            raise ValueError(
                "TracIn copies the module; an instance's forward() would go on with the weights that it "
                f"was made for, got one in {own[0]!r}"
            )
        self._rates = list(learning_rates)
        self._steps = []
        for checkpoint in checkpoints:
            step = copied(module)
            step.load_state_dict(checkpoint)
            self._steps.append(GradientSimilarity(step, train, loss=loss, parameters=parameters))

    def scores(self, test: Any, of: str | LossFunction = "loss") -> Array:
        """Return scores (m, n), above zero where training on a sample raised the test loss."""
        parts = [rate * step.scores(test, of) for rate, step in zip(self._rates, self._steps, strict=True)]
        return np.asarray(np.sum(parts, axis=0), parts[0].dtype)


class RepresenterPoints:
    """What each sample gives to a test point through the last Linear layer (Yeh et al. 2018).

    Where that layer W minimises (1/n) sum_i L(z_i) + (weight_decay / 2) |W|^2, its weights are a sum over the
    samples, W = - (1 / (weight_decay n)) sum_i delta_i a_i', and up-weighting sample i changes f(t), to first
    order in its own term, by - (delta_t . delta_i) (a_t . a_i) / weight_decay.

    Args:
        module: as for `Influence`; its last Linear is meant.
        loss: as for `Influence`.
        train: the training data.
        weight_decay: of that layer.

    Raises:
        ValueError: a module without a Linear, or weight decay not above 0.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        loss: str | LossFunction = "cross_entropy",
        weight_decay: float = 0.01,
    ) -> None:
        if weight_decay <= 0:
            raise ValueError(f"expected weight_decay above 0, got {weight_decay}")
        names = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
        if not names:
            raise ValueError(f"expected a module with a Linear layer, got {type(module).__name__}")
        prefix = f"{names[-1]}." if names[-1] else ""
        self._weight_decay = weight_decay
        self._layer = GradientSimilarity(module, train, loss=loss, parameters=[f"{prefix}weight"])

    def scores(self, test: Any, of: str | LossFunction = "loss") -> Array:
        """Return scores (m, n), above zero where up-weighting a sample would harm the test point."""
        return self._layer.scores(test, of) / self._weight_decay


class RandomProjection:
    """TRAK's estimator with one model (Park et al. 2023).

    With features phi_i = R' grad margin(z_i) / sqrt(P), R (P, k) standard normal, and p_i the probability
    of the target, scores[t, i] = - phi_t' (sum_j phi_j phi_j')^-1 phi_i (1 - p_i): the change of the test
    point's margin, negated, so that harm is above zero as elsewhere.

    Args:
        module: as for `Influence`, trained with cross_entropy.
        train: the training data.
        parameters: names of those in question.
        dimension: k.
        seed: of R.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        parameters: Sequence[str] | None = None,
        dimension: int = 512,
        seed: int = 0,
    ) -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, got {dimension}")
        self._base = base = Influence(module, train, loss="cross_entropy", parameters=parameters)
        size, self._dtype = base.operator.parameters, base.operator.dtype
        rng = np.random.default_rng(seed)
        self._projection = rng.standard_normal((size, dimension), dtype=self._dtype) / np.sqrt(size)
        features = self._features(base.train)
        gram = features.T @ features
        ridge = 1e-6 * np.trace(gram) / dimension * np.eye(dimension)
        loss = [
            base.losses(base.train.take(np.arange(len(features))[rows]))
            for rows in blocks(len(features), 8192)
        ]
        missing = 1 - np.exp(-np.concatenate(loss))  # 1 - p_i
        self._weighted = np.linalg.solve(gram + ridge, features.T) * missing

    def scores(self, test: Any) -> Array:
        """Return scores (m, n), above zero where up-weighting a sample would lower the test margin."""
        return np.asarray(-self._features(test) @ self._weighted, self._dtype)

    def _features(self, data: Any) -> Array:
        """Return projected gradients (n, k) of the margin, formed a few at a time."""
        samples = self._base.checked(data)
        rows = blocks(len(samples), _ROWS)
        parts = [
            self._base.gradients(samples.take(np.arange(part.start, part.stop)), "margin") @ self._projection
            for part in rows
        ]
        return np.concatenate(parts).astype(np.float64)

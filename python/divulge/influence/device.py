"""Dense chains on a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from divulge.influence.autograd import AutogradOperator
from divulge.influence.chain import DenseChain
from divulge.influence.losses import Loss
from divulge.influence.operators import Array, CurvatureName
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot
from divulge.tensors import Curvature

__all__ = ["DeviceOperator"]


class DeviceOperator(AutogradOperator):
    """The operator of a dense chain on a CUDA device: products and scores by its kernels, the rest by torch.

    The training data is moved to the device once, and vectors stay there while they are solved for.

    Args:
        chain: the module, as a chain.
        module: of which a snapshot is taken.
        parameters: those in question, by name, on the device.
        loss: of the samples.
        samples: the training data.
        batch_size: samples in memory at a time, where torch computes.
    """

    path = "cuda"

    def __init__(
        self,
        chain: DenseChain,
        module: nn.Module,
        parameters: Mapping[str, Tensor],
        loss: Loss,
        samples: Samples,
        batch_size: int = 256,
    ) -> None:
        super().__init__(Snapshot(module, list(parameters)), loss, samples, batch_size)
        inputs, targets = samples.batch(slice(None), self.torch_dtype)
        with torch.no_grad():
            features = chain.features(inputs.to(self.device))
        layers = chain.active_layers
        columns = len(layers[-1].weight) if loss.name == "squared" else 1
        self._curvature = Curvature(
            [layer.weight for layer in layers],
            [layer.bias for layer in layers],
            chain.active_activations,
            loss.name,
            features,
            targets.to(self.device, self.torch_dtype).reshape(len(samples), columns),
            loss.temperature,
        )

    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P)."""
        run = self._curvature.hessian_products if kind == "hessian" else self._curvature.gauss_newton_products
        return run(vectors.to(self.torch_dtype)).double()

    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P)."""
        scores: Array = self._curvature.scores(self._own(vectors)).cpu().numpy()
        return scores

    def _own(self, vectors: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(vectors)).to(self.device, self.torch_dtype)

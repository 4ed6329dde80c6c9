"""The compiled hot paths as functions of arrays, run on a device through tensors there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from divulge import tensors


class Compiled:
    """Functions of `divulge.tensors` that take and return NumPy arrays."""

    def __init__(self, device):
        self.device = device

    def masked_least_squares(self, basis, targets, masks):
        return self._arrays(tensors.masked_least_squares(*self._tensors([basis, targets, masks])))

    def kink_search(self, weights, biases, u, v, low, high, output=0):
        lines = self._tensors(np.asarray([u, v], np.float64))
        found = tensors.kink_search(self._tensors(weights), self._tensors(biases), *lines, low, high, output)
        names = ("line", "t", "jumps", "offsets", "base_values", "base_gradients", "complete_lines")
        fields = dict(zip(names, self._arrays([getattr(found, name) for name in names]), strict=True))
        return SimpleNamespace(**fields, complete=fields["complete_lines"].all(), queries=found.queries)

    def values_and_gradients(self, weights, biases, points, output):
        layers = self._tensors(weights), self._tensors(biases)
        return self._arrays(tensors.values_and_gradients(*layers, *self._tensors([points]), output))

    def curvature(self, *arguments):
        return CompiledCurvature(self, *arguments)

    def _tensors(self, arrays):
        return [None if a is None else torch.tensor(a, device=self.device) for a in arrays]

    def _arrays(self, found):
        assert all(t.device.type == self.device.type for t in found)
        return [t.cpu().numpy() for t in found]


class CompiledCurvature:
    """`divulge.tensors.Curvature` for arrays."""

    def __init__(self, on, weights, biases, activations, loss, inputs, targets, temperature):
        self.on = on
        data = on._tensors([inputs, targets])
        layers = on._tensors(weights), on._tensors(biases)
        self.own = tensors.Curvature(*layers, activations, loss, *data, temperature)
        self.parameters = self.own.parameters

    def hessian_products(self, vectors):
        return self._call(self.own.hessian_products, vectors)

    def gauss_newton_products(self, vectors):
        return self._call(self.own.gauss_newton_products, vectors)

    def scores(self, vectors):
        return self._call(self.own.scores, vectors)

    def outputs(self):
        return self._call(self.own.outputs)

    def losses(self):
        return self._call(self.own.losses)

    def _call(self, method, *arrays):
        return self.on._arrays([method(*self.on._tensors(arrays))])[0]

"""An output fitted on units as if theirs were the last hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep import last_layer
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LAST_LAYER


@dataclass(frozen=True)
class DeepFit:
    """What is known of a network of many layers.

    Attributes:
        prefix: all hidden layers but the last.
        layer: the last hidden layer over the prefix's features, with the outputs solved so far.
        error: relative residual of the answers that the outputs were solved from.
        design: where those answers were given.
    """

    prefix: Prefix
    layer: Layer
    error: float
    design: last_layer.Design

    @property
    def model(self) -> DeepModel:
        """The network."""
        return DeepModel(self.prefix, self.layer)


Book = Callable[[int], None]  # puts queries down to a layer
Report = Callable[[DeepFit], None]


def fit_as_last(
    probe: Probe,
    usual: float,
    prefix: Prefix,
    units: Candidates,
    clearance: float = LAST_LAYER.clearance,
    hardly_on: bool = False,
) -> DeepFit:
    """Fit an output on units as if theirs were the last hidden layer.

    Args:
        probe: of the answers that it has had, those that tell most are taken.
        usual: distance from the origin up to which points count as usual; these come first.
        prefix: the layers before.
        units: of the layer after them.
        clearance: relative distance from hyperplanes at which answers are taken.
        hardly_on: whether the layer may be: each unit is then on at few of the answers, many others beside
            it, and more answers are taken where as few as usual leave output weights open.
    """
    layer = last_layer.as_layer(units)
    points, pieces = probe.answered()
    count = needed(probe, prefix, units, hardly_on)
    order = np.random.default_rng(0).permutation(len(points))
    order = order[np.argsort(np.linalg.norm(points[order], axis=1) > usual, kind="stable")]
    chosen = order[last_layer.telling_points(prefix, layer, points[order], count, clearance)]
    design = last_layer.Design.of(points[chosen], len(units) + prefix.width + 1)
    if hardly_on and not design.determines(prefix, layer):
        count *= LAST_LAYER.more
        chosen = order[last_layer.telling_points(prefix, layer, points[order], count, clearance)]
        design = last_layer.Design.of(points[chosen], len(units) + prefix.width + 1)
    solution, error = design.solve(prefix, layer, pieces[chosen], with_slope=True, blunt=probe.rounded)
    return DeepFit(prefix, last_layer.with_output(layer, solution, with_slope=True), error, design)


def needed(probe: Probe, prefix: Prefix, units: Candidates, whole: bool) -> int:
    """Return how many answers determine an output on these units, fewer where their rows are whole."""
    unknowns = len(units) + prefix.width + 1
    if probe.rounded and prefix.layers:
        return LAST_LAYER.single + unknowns // LAST_LAYER.single_share if whole else 3 * unknowns
    return 8 + 3 * unknowns // max(1, min(prefix.width, probe.input_size) // 3)

"""Whether later layers are given the input beside what the first layer makes of it.

With a passage, z = R max(W x + b, 0) + V x + c, gradients hold V: they are not spanned by the rows of W, or a
row has a part in them on both sides of its hyperplane. A leaky unit, |z|, a maximum and a skip connection all
show so. Where the units of a plain network are known, none of its rows does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.last_layer import Design
from divulge.reconstruction.deep.orientation.by_coefficients import coefficients
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import PASSAGE


def on_both_sides(probe: Probe, units: Candidates) -> bool:
    """Whether most rows of the first layer show in gradients on both sides of their hyperplanes.

    Points on a hyperplane but for rounding, as the search asks where kinks are, count for neither side.

    Args:
        probe: of the answers that it has had.
        units: the first layer's, no more of them than inputs: else nothing is said.
    """
    if not len(units) or len(units) > probe.input_size or probe.rounded:
        return False
    points, gamma = spanned(probe, units)
    if len(points) < PASSAGE.answers:
        return False
    shown = np.abs(gamma) > probe.tolerances.missing * float(np.abs(gamma).max())
    level = (points @ units.rows.T + units.offsets) / np.linalg.norm(units.rows, axis=1)
    clear = probe.tolerances.missing * (1.0 + np.linalg.norm(points, axis=1))[:, None]
    both = (shown & (level > clear)).any(axis=0) & (shown & (level < -clear)).any(axis=0)
    return bool(both.mean() > PASSAGE.share)


def spanned(probe: Probe, units: Candidates) -> tuple[Array, Array]:
    """Return points (n, d) whose gradients the rows span, and the shares of each row there, (n, h)."""
    points, pieces = probe.answered()
    told = pieces[:, :-1].any(axis=1)
    points, gradients = points[told], pieces[told, :-1]
    gamma, residual = coefficients(Prefix(probe.input_size), units, points, gradients)
    usable = residual <= probe.tolerances.alike
    return points[usable], gamma[usable]


def beyond_rows(probe: Probe, units: Candidates) -> bool:
    """Whether most gradients hold more than the first layer's rows, of which there are fewer than inputs."""
    if not len(units) or len(units) >= probe.input_size or probe.rounded:
        return False
    gradients = probe.answered()[1][:, :-1]
    told = int(gradients.any(axis=1).sum())
    return told >= PASSAGE.answers and len(spanned(probe, units)[0]) < (1 - PASSAGE.share) * told


def passed_on_at(prefix: Prefix, found: Iterable[int], point: Array) -> list[Dense]:
    """Return layers, with a unit that stands for one that is on everywhere handed on where it would be off.

    Args:
        prefix: the layers.
        found: units of each that were found: one more stands for one that is on everywhere.
        point: where a copy is wrong, shape (d,).
    """
    layers = list(prefix.layers)
    levels = prefix.levels(point[None])
    for depth, (layer, units, level) in enumerate(zip(prefix.layers, found, levels, strict=False)):
        if layer.units > units and level[0, layer.units - 1] <= 0:
            layers[depth] = replace(layer, passage=layer.passage + 1)
    return layers


def handing_on(fit: DeepFit) -> DeepFit:
    """Return the same function with the input handed on to the outputs, none of which uses it yet."""
    size = fit.prefix.input_size
    layers, grown = [], 0  # numbers that come into a layer beside what did before
    for layer in fit.prefix.layers:
        rows = np.pad(layer.rows, ((0, 0), (0, grown)))
        identity = np.eye(size, rows.shape[1], k=rows.shape[1] - size)
        offsets = np.append(layer.offsets, np.zeros(size))
        layers.append(Dense(np.vstack([rows, identity]), offsets, layer.passage + size, layer.slopes))
        grown = size
    prefix = Prefix(size, layers)
    last, base = (
        np.insert(part, [part.shape[1] - 1] * grown, 0.0, axis=1) for part in (fit.layer.rows, fit.layer.base)
    )
    design = Design.of(fit.design.points, len(last) + prefix.width + 1)
    return DeepFit(prefix, Layer(last, fit.layer.weights, base), fit.error, design)

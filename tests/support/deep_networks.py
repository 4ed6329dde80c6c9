"""Random networks with several hidden layers, and the truth about them that an attack must find."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from divulge import GradientOracle, Victim
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.known_layers import Dense, Prefix


def random_deep(*sizes: int, seed: int = 0) -> nn.Sequential:
    """Linear and ReLU by turns, rows of about unit length, biases of about a half."""
    rng = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape) * scale))
    return network


def of_all_strengths(*sizes: int, seed: int, least: float) -> nn.Sequential:
    """A random network whose units' weights decayed: outgoing ones from 1 down to `least`, in even steps."""
    network = random_deep(*sizes, seed=seed)
    with torch.no_grad():
        for layer in (network[2], network[4]):
            strength = torch.logspace(0.0, np.log10(least), layer.in_features, dtype=torch.float64)
            layer.weight *= strength
    return network


def victim_of(network: nn.Sequential) -> Victim:
    """The network as a victim."""
    return Victim(network, input_shape=(network[0].in_features,))


def parameters(network: nn.Sequential) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of every Linear."""
    return [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in network
        if isinstance(layer, nn.Linear)
    ]


def sizes_of(module: nn.Module) -> list[int]:
    """Output sizes of every Linear."""
    return [layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear)]


def prefix_of(network: nn.Sequential, depth: int) -> Prefix:
    """The first `depth` hidden layers."""
    return Prefix(network[0].in_features, [Dense(*layer) for layer in parameters(network)[:depth]])


def units_of(network: nn.Sequential, depth: int) -> Candidates:
    """The units of the hidden layer after `depth` others, rows scaled to length 1, all known."""
    rows, offsets = parameters(network)[depth]
    size = np.linalg.norm(rows, axis=1)
    return Candidates(
        rows / size[:, None],
        np.ones(rows.shape, bool),
        offsets / size,
        np.ones(len(rows), np.intp),
        np.zeros((len(rows), network[0].in_features)),
    )


def probe_of(network: nn.Sequential, domain: tuple[float, float] | None = None) -> GradientProbe:
    """What an attack asks about output 0."""
    return GradientProbe(Transcript(AskedOutput(GradientOracle(victim_of(network), domain=domain), 0)))


def owners(network: nn.Sequential, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer, from 0, and the unit whose pre-activation is closest to 0 at each point."""
    hidden = parameters(network)[:-1]
    levels = [np.abs(level) for level in prefix_of(network, len(hidden)).levels(points)]
    layer = np.stack([level.min(axis=1) for level in levels]).argmin(axis=0)
    unit = np.stack([level.argmin(axis=1) for level in levels])[layer, np.arange(len(points))]
    return layer, unit


def kinks_of(network: nn.Sequential, lines: int = 4, seed: int = 0):
    """Every kink on random lines, and the layer and unit each belongs to."""
    rng = np.random.default_rng(seed)
    origins, directions = rng.standard_normal((2, lines, network[0].in_features))
    kinks = probe_of(network).kinks(origins, directions, np.full(lines, -50.0), np.full(lines, 50.0))
    return kinks, *owners(network, kinks.points)


def deeper_unit(network: nn.Sequential, on: np.ndarray) -> Candidates:
    """What a third-layer unit looks like over the first layer's features while these of the second are on."""
    (_, _), (rows, offsets), (behind, biases) = parameters(network)[:3]
    row = behind[0, on] @ rows[on]
    offset = behind[0, on] @ offsets[on] + biases[0]
    one = units_of(network, 1).take(np.array([0]))
    size = np.linalg.norm(row)
    return Candidates(row[None] / size, one.known, np.array([offset / size]), one.members, one.points)


def commonest(network: nn.Sequential, seed: int) -> np.ndarray:
    """The second-layer units that are on in the commonest state of the layer."""
    points = np.random.default_rng(seed).standard_normal((2000, network[0].in_features))
    prefix = Prefix(points.shape[1], [Dense(*layer) for layer in parameters(network)[:2]])
    states, counts = np.unique(prefix.masks(points), axis=0, return_counts=True)
    return np.flatnonzero(states[np.argmax(counts)])

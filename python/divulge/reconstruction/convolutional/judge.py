"""Whether a copy is right: fresh answers near, at and far from usual points."""

from __future__ import annotations

import numpy as np
import torch

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.unlike import most_unlike
from divulge.reconstruction.settings import CONV_JUDGE, TINY, Tolerances


def ask_fresh(network: ConvNetwork, transcript: Transcript, lines: Lines) -> None:
    """Ask the first output about fresh points of several sizes, until an answer shows the copy wrong.

    Args:
        network: the copy, right at all answers so far.
        transcript: whom to ask.
        lines: the domain, and what draws.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    points, missing = fresh_points(lines, network.prefix), transcript.tolerances.missing
    for first in range(0, len(points), CONV_JUDGE.part):
        transcript.ask(points[first : first + CONV_JUDGE.part])
        if error_at(network, transcript, certain_rows(network.prefix, transcript), 0) > missing:
            return


def certain(prefix: Prefix, points: Array, tolerances: Tolerances) -> Mask:
    """Whether every unit is on the side at points (n, d) where known layers have it, shape (n,).

    Of coarse answers offsets are not known to the last digit, and near a hyperplane a side is none.
    """
    if not tolerances.single:
        return np.ones(len(points), bool)
    found = np.ones(len(points), bool)
    with torch.no_grad():
        for layer, z in zip(prefix.layers, prefix.before(prefix.images(points)), strict=True):
            sizes = z.abs().flatten(1)
            near = torch.minimum(sizes.min(dim=1).values, layer.from_ends(z).flatten(1).min(dim=1).values)
            found &= (near > tolerances.loose * sizes.max(dim=1).values).numpy()
    return found


def certain_rows(prefix: Prefix, transcript: Transcript) -> Index:
    """Return the rows of the answers that say whether a copy is right."""
    return np.flatnonzero(certain(prefix, transcript.points[:, :-1], transcript.tolerances))


def certain_of(rows: Index, prefix: Prefix, transcript: Transcript) -> Index:
    """Return those of answers, in order, at which every unit's side is certain; all where there is none."""
    found = np.intersect1d(rows, certain_rows(prefix, transcript))
    return found if len(found) else np.unique(rows)


def error_at(network: ConvNetwork, transcript: Transcript, rows: Index, output: int) -> float:
    """Return the largest relative error of gradient or value of an output at answers, inf without any."""
    if not len(rows):
        return np.inf
    gradients, values = transcript.pieces[rows, :-1], transcript.told(rows)
    copied, own = network.answers(transcript.points[rows, :-1], output)
    slope = np.abs(own - gradients).max() / max(np.abs(gradients).max(), TINY)
    level = np.abs(copied - values) / np.maximum(np.abs(values), np.abs(values).mean() + TINY)
    return max(float(slope), float(level.max()))


def fresh_points(lines: Lines, prefix: Prefix) -> Array:
    """Points (n, d) in any order: images of blocks of many sizes, and noise, which hardly moves averages.

    The images are chosen among many, those at which features that are known differ most.
    """
    drawn = _of_many_sizes(lines, grainy(lines, prefix.shape, CONV_JUDGE.drawn))
    noise = _of_many_sizes(lines, lines.samples(CONV_JUDGE.noise))
    images = most_unlike(prefix, drawn, CONV_JUDGE.images)
    return np.asarray(lines.rng.permutation(np.concatenate([noise, images])))


def _of_many_sizes(lines: Lines, points: Array) -> Array:
    """Points (n, d) scaled by random powers of ten; in a box as they are."""
    if lines.domain is not None:
        return points
    return np.asarray(10 ** lines.rng.uniform(*CONV_JUDGE.powers, (len(points), 1)) * points)

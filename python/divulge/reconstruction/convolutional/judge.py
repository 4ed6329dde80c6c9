"""Whether a copy is right: fresh answers near, at and far from usual points."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.settings import CONV_JUDGE, TINY


def fresh_error(network: ConvNetwork, transcripts: list[Transcript], lines: Lines) -> float:
    """Return the largest relative error of gradient or value at fresh points of several sizes.

    Raises:
        Stopped: an oracle can be asked no further.
    """
    errors = [
        error_at(network, transcript, transcript.ask(fresh_points(lines, network.prefix.shape, each)), output)
        for output, transcript in enumerate(transcripts)
        for each in [CONV_JUDGE.other if output else CONV_JUDGE.first]
    ]
    return max(errors)


def error_at(network: ConvNetwork, transcript: Transcript, rows: Index, output: int) -> float:
    """Return the largest relative error of gradient or value of an output at answers."""
    gradients, values = transcript.pieces[rows, :-1], transcript.told(rows)
    copied, own = network.answers(transcript.points[rows, :-1], output)
    slope = np.abs(own - gradients).max() / max(np.abs(gradients).max(), TINY)
    level = np.abs(copied - values) / np.maximum(np.abs(values), np.abs(values).mean() + TINY)
    return max(float(slope), float(level.max()))


def fresh_points(lines: Lines, shape: tuple[int, int, int], each: int) -> Array:
    """Points (n, d), noise and images of blocks of several sizes, or inside a box and at its corners."""
    images = grainy(lines, shape, len(CONV_JUDGE.scales) * each)
    if lines.domain is not None:
        return np.concatenate([lines.samples(len(images)), images])
    sizes = np.repeat(CONV_JUDGE.scales, each)[:, None]
    return np.concatenate([sizes * lines.samples(len(images)), sizes * images])

"""How far lines may go before probabilities underflow to 0."""

from __future__ import annotations

import numpy as np
import torch

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import LogOdds, ReplayOracle
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.settings import PROBABILITIES, TINY


def unsaturated_reach(oracle: LogOdds | ReplayOracle, lines: Lines) -> float:
    """Return t up to which lines u + t v keep every probability above 0, at most the reach they have.

    Logits grow as t does. The smallest probability is exp(-708) in double precision and exp(-87) in single
    precision, so that the largest difference of two logits at usual points tells the reach.

    Raises:
        Stopped: a probability is 0 at a usual point already, or the oracle can be asked no further.
    """
    if lines.domain is not None:
        return lines.reach
    try:
        p = oracle.probabilities(lines.samples(PROBABILITIES.places))
    except (BudgetExhausted, OracleError) as error:
        raise Stopped(str(error)) from error
    least = float(p.min())
    if least == 0:
        raise Stopped("probabilities are 0 at standard normal inputs: log-odds need a smaller domain")
    spread = float(np.log(p.max(axis=1) / p.min(axis=1)).max())
    largest = -float(np.log(torch.finfo(oracle.dtype).tiny))
    return min(lines.reach, max(1.0, largest / (PROBABILITIES.safety * max(spread, TINY))))


def farthest(probe: Probe, lines: Lines) -> float:
    """Return a distance from the origin up to which answers should not saturate, infinity where none does.

    Log-odds grow no faster than the steepest gradient says: of those answered so far, which is what the
    margin is for. Lines may go further, as random directions are not so steep.

    Args:
        probe: what asks, the answers so far.
        lines: of the inputs.
    """
    if not lines.saturate:
        return np.inf
    precision = np.finfo(np.float32 if probe.rounded else np.float64)
    return -float(np.log(precision.tiny)) / (PROBABILITIES.safety * max(probe.steepest, TINY))


def nearer(points: Array, distance: float) -> Array:
    """Move points (n, d) towards the origin, to a distance at most."""
    size = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points * np.minimum(1.0, distance / np.maximum(size, TINY)))

"""The second layer's rows from one answer a unit, where an answer holds several outputs' gradients.

Among positive features p the victim has one hidden layer: with s_i(p) the states, output k's affine piece is

    base_k + sum_i s_i(p) u_ki (r_i, b_i).

Differences from the first of n answers are X_k = S diag(u_k) V, S (n - 1 x c) of 0, 1 and -1, the same S and
V for all outputs. Where both have rank c two combinations of the outputs are, in bases of the two spaces,
with A and B invertible,

    M = A diag(u) B,  M' = A diag(u') B,  M M'^-1 = A diag(u / u') A^-1,

and the eigenvectors of M M'^-1 are the columns of S. Where they come out as 0, 1 and -1 they are exact once
rounded, and least squares gives the rows. As the points lie beside every axis of p, all units that are ever
on switch between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import ALL_OUTPUTS, TINY


@dataclass(frozen=True)
class AskedOfAll:
    """What all outputs answered at the same points.

    Attributes:
        points: inputs, shape (n, d).
        pieces: of every output around them, shape (m, n, d + 1).
    """

    points: Array
    pieces: Array

    @classmethod
    def of(cls, probe: Probe, others: Sequence[Probe], points: Array) -> AskedOfAll:
        """Ask the first output; the same answers hold the others.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        told = [probe.pieces(points)]
        beside = probe.transcript.beside if isinstance(probe, GradientProbe) else []
        for other in others:
            kept = isinstance(other, GradientProbe) and any(other.transcript is each for each in beside)
            told.append(other.answered()[1][-len(points) :].copy() if kept else other.pieces(points))
        return cls(points, np.stack(told))

    def over_features(self, free: FreeLayer) -> Array:
        """Return the pieces as ones of the first layer's positive features, shape (m, n, h + 1)."""
        slopes = self.pieces[..., :-1] @ free.inverse
        return np.concatenate([slopes, self.pieces[..., -1:] - slopes @ free.layer.offsets[:, None]], axis=2)


def rows_by_all_outputs(features: Array, pieces: Array, rng: np.random.Generator) -> Units | None:
    """Return the units of one hidden layer of features, their sides open; None where this does not tell them.

    Args:
        features: shape (n, h).
        pieces: of m outputs around them, shape (m, n, h + 1).
        rng: combines the outputs.
    """
    sizes = np.maximum(np.linalg.norm(pieces, axis=2).max(axis=1), TINY)
    reach = np.abs(features).max()
    scaled = pieces / sizes[:, None, None]
    change = scaled[:, 1:] - scaled[:, :1]
    left, right = basis(np.concatenate(list(change), axis=1)), basis(np.concatenate(list(change)).T)
    if not 0 < left.shape[1] == right.shape[1]:
        return None
    states = states_of(change, left, right, rng)
    if states is None:
        return None
    inverse = np.linalg.pinv(states)
    shares = inverse @ change
    best = np.linalg.norm(shares, axis=2).argmax(axis=0)
    jumps = shares[best, np.arange(len(best))]
    weights = np.einsum("mch,ch->mc", shares, jumps) / np.einsum("ch,ch->c", jumps, jumps)
    explained = (states * weights[:, None]) @ jumps
    if not np.abs(explained - change).max() <= ALL_OUTPUTS.explained * max(1.0, np.abs(change).max()):
        return None
    return Units(jumps, np.ones(len(jumps))) if borne_out(jumps, states, features, reach) else None


def basis(columns: Array) -> Array:
    """Return an orthonormal basis of the space of columns (n, q), shape (n, rank)."""
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(vectors[:, sizes > ALL_OUTPUTS.rank * sizes[0]])


def states_of(change: Array, left: Array, right: Array, rng: np.random.Generator) -> Array | None:
    """Return S (n, c) of 0, 1 and -1, None where not all columns come out so."""
    small = left.T @ change @ right
    found: dict[bytes, Array] = {}
    for _ in range(ALL_OUTPUTS.combinations):
        first, second = np.tensordot(rng.standard_normal((2, len(change))), small, 1)
        try:
            ratios, vectors = np.linalg.eig(np.linalg.solve(second.T, first.T).T)
        except np.linalg.LinAlgError:  # this combination does not have the rank of all together
            continue
        columns = (left @ vectors[:, ratios.imag == 0].real).T
        for column in columns / columns[np.arange(len(columns)), np.abs(columns).argmax(axis=1)][:, None]:
            rounded = np.round(column)
            inside = left.T @ rounded
            far = np.linalg.norm(rounded - left @ inside) / np.linalg.norm(rounded)
            if np.abs(column - rounded).max() <= ALL_OUTPUTS.binary and far <= ALL_OUTPUTS.outside:
                signed = rounded * rounded[np.flatnonzero(rounded)[0]]
                found[signed.astype(np.int8).tobytes()] = signed
        if len(found) >= left.shape[1]:
            break
    return np.stack(list(found.values()), axis=1) if len(found) == left.shape[1] else None


def borne_out(jumps: Array, states: Array, features: Array, reach: float) -> bool:
    """Whether units switch where their hyperplanes lie, by the differences (n - 1, c) of their states."""
    levels = features @ jumps[:, :-1].T + jumps[:, -1]
    unsure = np.abs(levels) <= ALL_OUTPUTS.unsure * reach * np.linalg.norm(jumps, axis=1)
    predicted = (levels[1:] > 0).astype(float) - (levels[:1] > 0)
    sign = np.where(np.einsum("nc,nc->c", predicted, states) < 0, -1.0, 1.0)
    return bool(((predicted == sign * states) | unsure[1:] | unsure[:1]).all())

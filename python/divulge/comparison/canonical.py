"""The canonical form of a network with one hidden layer, and the matching of two such forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.victims.affine import OneHiddenLayer


@dataclass(frozen=True)
class CanonicalForm:
    """A network with one hidden layer without its symmetries, all but the order and the signs of the units.

    f(x) = bias + affine x + sum_i outputs_i max(rows_i.x + offsets_i, 0) with |rows_i| = 1.

    Attributes:
        rows: shape (h, d), of norm 1.
        offsets: shape (h,).
        outputs: shape (h, K), none of them zero.
        affine: shape (K, d).
        bias: shape (K,).
        units: for each unit the index of the (first) unit of the network that it stands for, shape (h,).
    """

    rows: Array
    offsets: Array
    outputs: Array
    affine: Array
    bias: Array
    units: Index

    def flipped(self, which: Mask) -> CanonicalForm:
        """The same function with some units' signs turned: w max(z, 0) = w z + w max(-z, 0)."""
        sign = np.where(which, -1.0, 1.0)
        rows, offsets, outputs = self.rows[which], self.offsets[which], self.outputs[which]
        return CanonicalForm(
            rows=self.rows * sign[:, None],
            offsets=self.offsets * sign,
            outputs=self.outputs,
            affine=self.affine + outputs.T @ rows,
            bias=self.bias + outputs.T @ offsets,
            units=self.units,
        )


def canonical_form(net: OneHiddenLayer, tolerance: float) -> CanonicalForm:
    """Bring a network into canonical form.

    A unit's factor is moved outwards: w max(a.x + b, 0) = |a| w max((a.x + b) / |a|, 0). A unit that never
    switches (zero row, or hyperplane out of reach) goes into the affine part, one with zero output weights
    goes away. Units with one hyperplane are merged: of equal sign by adding output weights, of opposite
    sign by max(-z, 0) = max(z, 0) - z, which leaves -z in the affine part.

    Args:
        net: the network.
        tolerance: how far two hyperplanes may differ and still be one: in the entries of unit-norm rows,
            and in the offset relative to 1 + |offset|. Output weights below it, relative to the largest,
            are zero; hyperplanes farther than its inverse from the origin are out of reach.
    """
    norms = np.linalg.norm(net.rows, axis=1)
    fixed = norms <= tolerance * np.abs(net.offsets)
    active = np.flatnonzero(fixed & (net.offsets > 0))
    units = np.flatnonzero(~fixed)
    norms = norms[units]
    form = CanonicalForm(
        rows=net.rows[units] / norms[:, None],
        offsets=net.offsets[units] / norms,
        outputs=(net.outputs[:, units] * norms).T,
        affine=net.affine + net.outputs[:, active] @ net.rows[active],
        bias=net.bias + net.outputs[:, active] @ net.offsets[active],
        units=units,
    )
    merged = _merge(form, tolerance)
    sizes = np.linalg.norm(merged.outputs, axis=1)
    return _keep(merged, sizes > tolerance * np.linalg.norm(form.outputs, axis=1).max(initial=0.0))


def match(copy: CanonicalForm, victim: CanonicalForm) -> tuple[Index, Index, CanonicalForm]:
    """Pair the units of two forms by the Hungarian method; each unit may be turned round.

    The cost of a pair is the squared distance of (row, offset, output weights), the last two on their own
    scale.

    Returns:
        Index into the copy's units, the matching indices into the victim's, and the copy with the signs
        of the matched units made the victim's.
    """
    from scipy.optimize import linear_sum_assignment

    cost, turned = _distances(copy, victim)
    mine, theirs = linear_sum_assignment(cost)
    which = np.zeros(len(copy.units), dtype=bool)
    which[mine] = turned[mine, theirs]
    return mine, theirs, copy.flipped(which)


def parameter_error(copy: CanonicalForm, victim: CanonicalForm, mine: Index, theirs: Index) -> float:
    """Return max|theta - theta^| over matched units, the bias and the affine part.

    A unit without a partner counts with its largest output weight, as if the partner had zero weights.
    """
    missed = np.setdiff1d(np.arange(len(victim.units)), theirs)
    invented = np.setdiff1d(np.arange(len(copy.units)), mine)
    parts = (
        copy.rows[mine] - victim.rows[theirs],
        copy.offsets[mine] - victim.offsets[theirs],
        copy.outputs[mine] - victim.outputs[theirs],
        victim.outputs[missed],
        copy.outputs[invented],
        copy.affine - victim.affine,
        copy.bias - victim.bias,
    )
    return max(float(np.abs(part).max(initial=0.0)) for part in parts)


def same_hyperplane(
    copy: CanonicalForm, victim: CanonicalForm, mine: Index, theirs: Index, tolerance: float
) -> Mask:
    """Which matched pairs have the same hyperplane, to a tolerance on |row| = 1 and on 1 + |offset|."""
    rows = np.linalg.norm(copy.rows[mine] - victim.rows[theirs], axis=1)
    offsets = np.abs(copy.offsets[mine] - victim.offsets[theirs])
    same: Mask = (rows <= tolerance) & (offsets <= tolerance * (1 + abs(victim.offsets[theirs])))
    return same


def _distances(copy: CanonicalForm, victim: CanonicalForm) -> tuple[Array, Mask]:
    """Squared distances of all pairs, shape (h_copy, h_victim), and where the turned unit is the nearer."""
    cosine = copy.rows @ victim.rows.T
    offset_scale = 1 + np.abs(victim.offsets)
    weight_scale = np.abs(victim.outputs).max(initial=1e-300)
    mine, theirs = copy.outputs / weight_scale, victim.outputs / weight_scale
    weights = (mine**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1) - 2 * mine @ theirs.T
    same = 2 - 2 * cosine + ((copy.offsets[:, None] - victim.offsets) / offset_scale) ** 2
    turned = 2 + 2 * cosine + ((copy.offsets[:, None] + victim.offsets) / offset_scale) ** 2
    return np.minimum(same, turned) + weights, turned < same


def _merge(form: CanonicalForm, tolerance: float) -> CanonicalForm:
    """Merge units that share a hyperplane, each group into its first unit."""
    first, turned = _groups(form, tolerance)
    oriented = form.flipped(turned)
    outputs = np.zeros_like(form.outputs)
    np.add.at(outputs, first, form.outputs)
    merged = CanonicalForm(form.rows, form.offsets, outputs, oriented.affine, oriented.bias, form.units)
    return _keep(merged, first == np.arange(len(first)))


def _groups(form: CanonicalForm, tolerance: float) -> tuple[Index, Mask]:
    """For each unit the first unit with its hyperplane, and whether it looks the other way."""
    first = np.arange(len(form.units))
    turned = np.zeros(len(form.units), dtype=bool)
    cosine = form.rows @ form.rows.T
    # |a - a'|^2 = 2 - 2 cos: rounding lets cos decide only down to 1e-7; the entries decide the rest.
    for j, i in np.argwhere(np.tril(np.abs(cosine) > 1 - 1e-6, -1)):
        sign = 1.0 if cosine[j, i] > 0 else -1.0
        row_gap = np.abs(form.rows[j] - sign * form.rows[i]).max()
        offset_gap = abs(form.offsets[j] - sign * form.offsets[i]) / (1 + abs(form.offsets[i]))
        if max(row_gap, offset_gap) <= tolerance and first[j] == j and first[i] == i:
            first[j], turned[j] = i, sign < 0
    return first, turned


def _keep(form: CanonicalForm, which: Mask) -> CanonicalForm:
    """The form with some of its units only."""
    return CanonicalForm(
        form.rows[which], form.offsets[which], form.outputs[which], form.affine, form.bias, form.units[which]
    )

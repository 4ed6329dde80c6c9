"""The end of a deep attack from values: what differences left blunt is refitted, the copy checked closely.

A search that takes its gradients from differences cannot ask much of them: it lets small errors pass, units
that are none, and misses weak ones. Refitted to values a copy of the right shape is exact to rounding, a unit
that is none has no weight, and a unit that is missing shows wherever it is on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.values import Values
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.deep.counterexamples import between_kinks
from divulge.reconstruction.deep.extreme_points import climbed
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.derivatives import parameters
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.refit.gauss_newton import Told, misfit, polish
from divulge.reconstruction.refit.rare_points import rare_points
from divulge.reconstruction.settings import GAUSS_NEWTON, MENDING


def mended(attack: DeepAttack, found: DeepResult, values: list[Values]) -> DeepResult:
    """Refit and check a copy; refit it to what it misses, too; if that does not help search on through there.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    best: DeepResult | None = None
    exact = values[0].tolerances.loose
    for _ in range(MENDING.most_mends):
        if not found.certificate <= MENDING.nearly:
            break
        for _ in range(MENDING.most_refits):
            found = settled(attack, found, values)
            point, missed = worst_miss(attack, found.model, values)
            if not MENDING.blunt * values[0].relative < missed <= GAUSS_NEWTON.missing_unit:
                break
            for asked in values:
                asked.ask(around(attack, point))
        solved = missed <= values[0].tolerances.alike
        found = replace(found, certificate=missed, solved=solved, beside_axes=None)
        best = found if best is None or found.certificate < best.certificate else best
        if found.certificate <= exact:
            break
        attack.search.look_through(point)
        found = attack.rounds()
    return best or found


def settled(attack: DeepAttack, found: DeepResult, values: list[Values]) -> DeepResult:
    """Refit the copy, leave out units without weight, orient the last layer; refit what that changed."""
    model = without_idle_units(refitted(attack, found.model, values, found.slope))
    model = without_doubtful_unit(model, values, found.slope)
    orientation = orient(model.layer, attack.tolerance)
    model = DeepModel(model.prefix, orientation.layer)
    if orientation.slope != found.slope or model.hidden_sizes != found.model.hidden_sizes:
        model = refitted(attack, model, values, orientation.slope)
    decided = orientation.decided and not orientation.slope
    return replace(found, model=model, slope=orientation.slope, decided=decided)


def refitted(attack: DeepAttack, model: DeepModel, values: list[Values], slope: bool) -> DeepModel:
    """Refit a copy to values that were asked anyway, and more where these are few, if its size allows."""
    if too_large(model, slope):
        return model
    count = sum(matrix.size for matrix in parameters(model, slope))
    told = [
        telling(attack, model, values, place, MENDING.most_values * count) for place in range(len(values))
    ]
    for place, part in enumerate(told):
        missing = MENDING.least_values * count // len(values) - len(part.values)
        if missing > 0:
            values[place].ask(spread(attack, model, missing))
            told[place] = telling(attack, model, values, place, MENDING.most_values * count)
    points = rare_points(model, told[0], values[0].kept()[0], attack.lines)
    if len(points):
        values[0].ask(points)
        told[0] = telling(attack, model, values, 0, MENDING.most_values * count)
    return polish(model, told, slope)


def too_large(model: DeepModel, slope: bool) -> bool:
    """Whether the matrices of a fit would take too much memory."""
    sizes = [matrix.shape for matrix in parameters(model, slope)]
    return bool(sum(units * width**2 for units, width in sizes) > MENDING.most_numbers)


def telling(attack: DeepAttack, model: DeepModel, values: list[Values], place: int, most: int) -> Told:
    """Return what one output has told."""
    return Told.by(values[place], place).telling(model, most, attack.lines.rng)


def spread(attack: DeepAttack, model: DeepModel, count: int) -> Array:
    """Return points for checks and fits: random, near and far, climbed, one in every piece of some lines."""
    random = attack.lines.samples(count - count // 4)
    if attack.lines.domain is None:
        random[::2] *= MENDING.far ** attack.lines.rng.uniform(
            size=(len(random[::2]), 1)
        )  # other units are on there
        random = attack.lines.unsaturated(random)
    random[:: MENDING.climbed] = climbed(model.prefix, random[:: MENDING.climbed], attack.lines)
    return np.concatenate([random, *on_lines(attack, model, count // 4)])


def around(attack: DeepAttack, point: Array) -> Array:
    """Return points at all distances from one, several for each input: there a rare unit is on."""
    count = MENDING.nearby * (len(point) + 1)
    share = 10 ** attack.lines.rng.uniform(-2, 0, size=(count, 1))
    return np.asarray(point + share * (attack.lines.samples(count) - point))


def on_lines(attack: DeepAttack, model: DeepModel, count: int) -> list[Array]:
    """Return one point in every piece that the copy has on random lines, at least so many in all."""
    points: list[Array] = []
    while sum(map(len, points)) < count:
        origins, directions = attack.search.pool.new_lines(1)
        t = between_kinks(model, origins[0], directions[0], attack.lines)
        points.append(origins + t[:, None] * directions)
    return points


def without_idle_units(model: DeepModel) -> DeepModel:
    """Drop units on which nothing depends, from the last layer backwards."""
    rows = model.layer.rows
    reach = np.linalg.norm(model.layer.weights, axis=0) * np.linalg.norm(rows[:, :-1], axis=1)
    keep = reach > MENDING.nothing * reach.max(initial=0.0)
    layer = Layer(rows[keep], model.layer.weights[:, keep], model.layer.base)
    dense, after = list(model.prefix.layers), np.concatenate([layer.rows, layer.base])
    for place in range(len(dense) - 1, -1, -1):
        own = np.linalg.norm(dense[place].rows, axis=1)
        reach = np.linalg.norm(after[:, : len(own)], axis=0) * own
        keep = reach > MENDING.nothing * reach.max(initial=0.0)
        dense[place] = Dense(dense[place].rows[keep], dense[place].offsets[keep])
        if place == len(dense) - 1:
            ends = np.append(keep, True)
            layer = Layer(layer.rows[:, ends], layer.weights, layer.base[:, ends])
        else:
            dense[place + 1] = Dense(dense[place + 1].rows[:, keep], dense[place + 1].offsets)
        after = dense[place].rows
    return DeepModel(Prefix(model.prefix.input_size, dense), layer)


def without_doubtful_unit(model: DeepModel, values: list[Values], slope: bool) -> DeepModel:
    """Leave out a unit of the last hidden layer that may be none if a fit is no worse without it.

    That is the blunt double of another, which shares its weight or keeps some to take up other errors.
    """
    less = without_double(model.layer) or without_lightest(model.layer)
    if less is None or too_large(model, slope):
        return model
    told = [Told.by(asked, place).clear_of(model) for place, asked in enumerate(values)]
    fewer = polish(DeepModel(model.prefix, less), told, slope)
    return fewer if misfit(fewer, told) <= misfit(model, told) + GAUSS_NEWTON.little else model


def without_double(layer: Layer) -> Layer | None:
    """Return the layer with its two most parallel units made one, or None if they are not nearly so."""
    if len(layer) < 2:
        return None
    size = np.linalg.norm(layer.rows, axis=1)
    cosines = (layer.rows @ layer.rows.T / np.outer(size, size)) - 2 * np.eye(len(layer))
    one, other = np.unravel_index(np.argmax(cosines), cosines.shape)
    if np.linalg.norm(layer.rows[one] / size[one] - layer.rows[other] / size[other]) > MENDING.double:
        return None
    weights, keep = layer.weights.copy(), np.arange(len(layer)) != other
    weights[:, one] += weights[:, other] * size[other] / size[one]
    return Layer(layer.rows[keep], weights[:, keep], layer.base)


def without_lightest(layer: Layer) -> Layer | None:
    """Return the layer without the unit of the least weight, or None if that has some."""
    reach = np.abs(layer.weights).max(axis=0, initial=0.0)
    if not len(reach) or reach.min() > MENDING.doubtful * reach.max():
        return None
    keep = np.arange(len(reach)) != np.argmin(reach)
    return Layer(layer.rows[keep], layer.weights[:, keep], layer.base)


def worst_miss(attack: DeepAttack, model: DeepModel, values: list[Values]) -> tuple[Array, float]:
    """Ask fresh points, as many as it takes to see one missed; return that and the largest error."""
    worst = (np.zeros(model.prefix.input_size), 0.0)
    for _ in range(MENDING.checks):
        points = spread(attack, model, MENDING.fresh)
        for place, asked in enumerate(values):
            errors = asked.misses(points, model.pieces(points, place))
            if errors.max() > worst[1]:
                worst = points[np.argmax(errors)], float(errors.max())
        if worst[1] > MENDING.blunt * values[0].relative:
            break
    return worst

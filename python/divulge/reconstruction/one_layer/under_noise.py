"""One hidden layer under noise that drowns single answers: states are read from many at once.

On half a circle around the origin every unit whose hyperplane passes near switches once, so that neighbouring
answers differ by one jump in many places; noise is cut down by projecting on the few directions in which
gradients vary at all. A jump that several circles show is a unit. With all jumps known roughly every answer's
states can be read, since h unknown bits stand against d noisy numbers, and least squares over all answers
makes jumps and offsets sharp. What then still varies holds the units too small to be seen at first.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.errors import NotPiecewiseLinear
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.fresh_queries import fresh_residual
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.search import Found, Search
from divulge.reconstruction.settings import CIRCLES


class CircleSearch(Search):
    """Finds the units behind noisy gradients in all of R^d."""

    def rounds(self) -> Found:
        """Ask random points and circles, read states, refit.

        Raises:
            NotPiecewiseLinear: what is found explains next to nothing.
        """
        self.lines.add_line()  # for what is asked about other outputs
        transcript, d = self.transcript, self.lines.input_size
        count = max(CIRCLES.least_random, CIRCLES.random * d)
        first = transcript.ask(CIRCLES.radius * self.lines.samples(count))
        varying, _ = varying_directions(centred(transcript.pieces[first, :-1]))
        size = max(8, int(CIRCLES.points * len(varying)))
        circles = [transcript.ask(half_circle(self.lines, size)) for _ in range(CIRCLES.circles)]
        rows = np.concatenate([first, *circles])
        gradients, points = transcript.pieces[rows, :-1], transcript.points[rows, :-1]
        places = np.split(np.arange(len(first), len(rows)), CIRCLES.circles)
        states, solution = found_units(gradients, points, places)
        left = gradients - with_one(states) @ solution
        missing = len(varying_directions(left)[0])
        self.best = as_fit(transcript, rows, states, solution)
        certificate = fresh_residual(self.best, transcript, self.lines, 0.0)
        self.report(self.best)
        self.check_explained(1 - float((left**2).sum() / (centred(gradients) ** 2).sum()))
        solved = not missing and certificate <= self.transcript.tolerances.rounding
        return Found(self.best, certificate, solved, unexplained=unexplained(missing))

    def check_explained(self, share: float) -> None:
        """Raise NotPiecewiseLinear where the units explain next to nothing of the gradients' variance."""
        if share < CIRCLES.explained:
            raise NotPiecewiseLinear(
                f"the answers are too noisy: {len(self.best.units)} units were found in "
                f"{len(self.transcript)} answers, and they explain {share:.0%} of the gradients"
            )


def unexplained(missing: int) -> str:
    """Say in how many directions gradients still vary by more than noise; nothing where in none."""
    if not missing:
        return ""
    return (
        f"gradients vary by more than noise in {missing} directions that the units found do not explain: "
        "units too small to be told from it, or rounding that repeats itself"
    )


def half_circle(lines: Lines, n: int) -> Array:
    """Return n points (n, d) at equal distances on half of a random circle around the origin."""
    d = lines.input_size
    axes = np.linalg.qr(lines.rng.standard_normal((d, 2)))[0]
    angle = lines.rng.uniform(0, np.pi) + np.linspace(0, np.pi, n, endpoint=False)
    return np.asarray(CIRCLES.radius * np.sqrt(d) * np.column_stack([np.cos(angle), np.sin(angle)]) @ axes.T)


def found_units(gradients: Array, points: Array, circles: list[Index]) -> tuple[Mask, Array]:
    """Return states (n, h) and the least-squares solution (1 + h, d): affine part and jumps."""
    jumps = np.empty((0, gradients.shape[1]))
    states, solution = np.empty((len(points), 0), bool), gradients.mean(axis=0)[None]
    for _ in range(CIRCLES.rounds):
        left = gradients - with_one(states) @ solution
        axes, noise = varying_directions(left)
        if not len(axes):
            break
        new = recurring(left @ axes.T, circles, CIRCLES.level * noise * np.sqrt(2 * len(axes)))
        grown = np.concatenate([jumps, new @ axes])
        if not len(new) or len(grown) >= min(gradients.shape):
            break
        known = len(jumps)
        jumps, states, solution = settled(gradients, points, grown)
        if len(jumps) <= known:
            break
    return states, solution


def varying_directions(gradients: Array) -> tuple[Array, float]:
    """Return orthonormal directions (r, d) that vary by more than noise, and the noise of one number.

    Noise alone of size e has singular values up to e (sqrt(n) + sqrt(d)); e is read from those below.
    """
    n, d = gradients.shape
    _, values, directions = np.linalg.svd(gradients, full_matrices=False)
    rank = int(CIRCLES.noise_from * len(values))
    for _ in range(5):
        noise = float(np.sqrt((values[rank:] ** 2).sum() / max((n - rank) * (d - rank), 1)))
        rank = int((values > CIRCLES.edge * noise * (np.sqrt(n) + np.sqrt(d))).sum())
    return directions[:rank], noise


def recurring(coordinates: Array, circles: list[Index], level: float) -> Array:
    """Return differences of neighbours, longer than level, that several circles show: shape (m, r)."""
    differences = np.concatenate([np.diff(coordinates[rows], axis=0) for rows in circles])
    circle = np.repeat(np.arange(len(circles)), [len(rows) - 1 for rows in circles])
    length = np.linalg.norm(differences, axis=1)
    long = length > level
    differences, circle, length = differences[long], circle[long], length[long]
    cosine = (differences @ differences.T) / np.outer(length, length)
    ratio = np.minimum.outer(length, length) / np.maximum.outer(length, length)
    alike = (np.abs(cosine) > CIRCLES.alike) & (ratio > CIRCLES.as_long)
    left, found = np.ones(len(length), bool), []
    for row in np.argsort([-len(np.unique(circle[near])) for near in alike], kind="stable"):
        near = alike[row] & left
        if left[row] and len(np.unique(circle[near])) >= max(2, len(circles) // CIRCLES.shown):
            left &= ~near
            found.append((np.sign(cosine[row, near])[:, None] * differences[near]).mean(axis=0))
    return np.array(found).reshape(-1, coordinates.shape[1])


def settled(gradients: Array, points: Array, jumps: Array) -> tuple[Array, Mask, Array]:
    """Read states and refit jumps in turns; jumps whose states no hyperplane explains are dropped."""
    while True:
        solution = np.concatenate([gradients.mean(axis=0)[None], jumps])
        for _ in range(CIRCLES.settled):
            states = read(gradients, solution[1:])
            solution = np.linalg.lstsq(with_one(states), gradients, rcond=None)[0]
        levels = points @ solution[1:].T
        told = [split(level, on)[1] >= CIRCLES.told for level, on in zip(levels.T, states.T, strict=True)]
        if all(told):
            return np.asarray(solution[1:]), states, np.asarray(solution)
        jumps = solution[1:][told]


def read(gradients: Array, jumps: Array) -> Mask:
    """States (n, h): which side of the middle a gradient's coordinate along a jump is."""
    coordinates = centred(gradients) @ np.linalg.pinv(jumps)
    low, high = np.quantile(coordinates, CIRCLES.ends, axis=0)
    return np.asarray(coordinates > (low + high) / 2)


def split(levels: Array, on: Mask) -> tuple[float, float]:
    """Return the threshold of levels (n,) that tells states best, and the share that it tells."""
    order = np.argsort(levels)
    sorted_on = on[order]
    below_on = np.concatenate([[0], np.cumsum(sorted_on)])
    below_off = np.concatenate([[0], np.cumsum(~sorted_on)])
    right = (below_off + below_on[-1] - below_on) / len(on)
    place = int(np.argmax(np.abs(right - 0.5)))
    ends = levels[order[[max(place - 1, 0), min(place, len(on) - 1)]]]
    return float(ends.mean()), float(max(right[place], 1 - right[place]))


def as_fit(transcript: Transcript, rows: Index, states: Mask, solution: Array) -> Fit:
    """Return units with their offsets: by least squares over the values, without values from the states."""
    levels = transcript.points[rows, :-1] @ solution[1:].T
    sign = ((levels - levels.mean(axis=0)) * np.where(states, 1.0, -1.0)).sum(axis=0)
    if transcript.tells_values:
        points = transcript.points[rows]
        slopes = np.einsum("nd,nd->n", with_one(states) @ solution, points[:, :-1])
        weight = 1 / np.linalg.norm(points, axis=1)[:, None]
        of_values = (transcript.values()[rows] - slopes)[:, None]
        shift = np.linalg.lstsq(with_one(states) * weight, of_values * weight, rcond=None)[0][:, 0]
    else:
        middle = [split(level, on)[0] for level, on in zip(levels.T, states.T, strict=True)]
        shift = -np.array([0.0, *middle])
    full = np.column_stack([solution, shift])
    return Fit(Units(full[1:], np.where(sign < 0, -1.0, 1.0)), full[0], np.inf)


def with_one(states: Mask) -> Array:
    """Append states (n, h) to a column of ones."""
    return np.column_stack([np.ones(len(states)), states])


def centred(gradients: Array) -> Array:
    """Take the mean off."""
    return np.asarray(gradients - gradients.mean(axis=0))

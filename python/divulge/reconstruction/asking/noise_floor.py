"""How noisy the answers are, measured on points that almost surely share one linear piece."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from divulge.arrays import Array, Index
from divulge.errors import NotPiecewiseLinear
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.record import NoiseFloor
from divulge.reconstruction.settings import NOISE_FLOOR, TINY


def measure_noise(transcript: Transcript, lines: Lines) -> NoiseFloor:
    """Return how far the answers differ inside one affine piece.

    Two neighbouring points are asked about. If their answers agree to rounding, rounding it is: two queries.
    Otherwise the first point is asked about again and two points lie nearer to it. Noise, fresh for every
    query or fixed for every input, changes the gradient by the same amount however near the points are; a
    smooth function changes it by an amount that shrinks with the distance; a kink between them changes it at
    once.

    Rounded answers differ by nothing inside a piece; they are known by their digits. Noise too large for a
    search along lines drowns single answers, where circles can be searched. Places without a gradient tell
    nothing of all this; where no place has one answers are taken for exact.

    Raises:
        NotPiecewiseLinear: the function is smooth, or the noise too large.
    """
    rounding, refusal = transcript.noise, ""
    for _ in range(NOISE_FLOOR.places):
        rows, step = ask_telling_pair(transcript, lines)
        if not transcript.scale:
            return without_gradient(transcript)
        grid = rounded_to(transcript, rows)
        if grid:
            return rounded_floor(transcript, lines, grid)
        last = change(transcript, rows[0], rows[1])
        start = transcript.points[rows[0], :-1]
        turn = curvature(transcript, start, step) if transcript.tolerances.single else 0.0
        if turn:
            wide = NOISE_FLOOR.wide * np.linalg.norm(step)
            refusal = (
                f"the gradient changes by {turn:.2g} of its size over a step of {wide:.2g} and by as much, "
                "the same way, over the next: not a ReLU network's, or smoothed"
            )
            continue
        if last <= NOISE_FLOOR.rounding * rounding:
            return NoiseFloor(rounding)
        more = transcript.ask(np.stack([start + share * step for share in NOISE_FLOOR.ladder]))
        repeated, near, far = (change(transcript, rows[0], row) for row in more)
        floor = max(repeated, near)
        if far > NOISE_FLOOR.smooth * max(floor, rounding) and last > NOISE_FLOOR.smooth * far:
            refusal = (
                f"the gradient changes by {last:.2g} of its size between inputs {np.linalg.norm(step):.2g} "
                f"apart and by {far:.2g} at a tenth of that: not a ReLU network's, or smoothed, or rounded "
                "as in half precision"
            )
        elif floor > NOISE_FLOOR.too_noisy and not can_circle(transcript, lines):
            refusal = (
                f"the answers are too noisy: inside one linear piece they differ by {floor:.2g} of the "
                f"gradient's size, and at most {NOISE_FLOOR.too_noisy:.2g} can be told from a unit"
            )
        else:
            return measured_floor(transcript, floor, repeated)
    raise NotPiecewiseLinear(refusal)


def curvature(transcript: Transcript, start: Array, step: Array) -> float:
    """Return by how much the gradient changes over each of two wide steps, 0 where that is no smooth change.

    In single precision a smooth function's gradient may change by no more than rounding between neighbours.
    Over two steps in a row it turns twice by the same; a piecewise-linear function's changes by nothing or by
    jumps, of which no two are alike.
    """
    steps = NOISE_FLOOR.wide * step * np.arange(3)[:, None]
    rows = transcript.ask(start + steps)
    low, middle, high = transcript.pieces[rows, :-1]
    first, second = middle - low, high - middle
    size = float(np.linalg.norm(first))
    alike = np.linalg.norm(second - first) <= NOISE_FLOOR.turned * size
    told = size > NOISE_FLOOR.rounding * transcript.noise * transcript.scale
    return size / max(transcript.scale, TINY) if alike and told else 0.0


def ask_telling_pair(transcript: Transcript, lines: Lines) -> tuple[Index, Array]:
    """Ask about pairs of neighbouring points until one has a gradient; return its rows and its step."""
    for _ in range(NOISE_FLOOR.tries):
        rows, step = ask_pair(transcript, lines)
        if transcript.pieces[rows, :-1].any():
            break
    return rows, step


def without_gradient(transcript: Transcript) -> NoiseFloor:
    """Return the floor of answers that have no gradient anywhere.

    Raises:
        NotPiecewiseLinear: values differ all the same: the gradients were rounded away.
    """
    if len(transcript) and np.ptp(transcript.values()) > 0:
        raise NotPiecewiseLinear(
            f"every gradient is 0 at {len(transcript)} inputs, and values there differ by "
            f"{np.ptp(transcript.values()):.2g}: answers are rounded until no gradient is left"
        )
    return NoiseFloor(transcript.noise)


def ask_pair(transcript: Transcript, lines: Lines) -> tuple[Index, Array]:
    """Ask about two neighbouring points; return their rows and the step between them."""
    start, direction = lines.inside(1)[0], lines.inside(1)[0]
    step = NOISE_FLOOR.nearby * (direction - start)
    return transcript.ask(np.stack([start, start + step])), step


def change(transcript: Transcript, a: int, b: int) -> float:
    """Largest difference of two answers in one piece: of gradients relative to the largest, of values too.

    Values are compared after the step along the gradient, relative to what gradient and input together
    amount to.
    """
    gap = transcript.pieces[a] - transcript.pieces[b]
    size = max(transcript.scale, TINY)
    reach = float(np.linalg.norm(transcript.points[a]))
    return max(float(np.linalg.norm(gap[:-1])), abs(float(gap @ transcript.points[a])) / reach) / size


def measured_floor(transcript: Transcript, floor: float, repeated: float) -> NoiseFloor:
    """Return a floor that was measured, with a sentence if it is more than rounding."""
    if floor <= NOISE_FLOOR.rounding * transcript.noise:
        return NoiseFloor(transcript.noise, drowned=floor > NOISE_FLOOR.too_noisy)
    fresh = "the same input had two answers; " if repeated > 0 else ""
    return NoiseFloor(
        floor / NOISE_FLOOR.guard,
        drowned=floor > NOISE_FLOOR.too_noisy,
        seen=f"{fresh}answers inside one linear piece differ by {floor:.2g} of the gradient's size",
    )


def can_circle(transcript: Transcript, lines: Lines) -> bool:
    """Whether noise may be met by many answers on circles: gradients, in all of R^d."""
    return transcript.asked.tells_gradients and lines.domain is None


def rounded_to(transcript: Transcript, rows: Index) -> float:
    """Return the grid that these answers' numbers lie on, a power of 10, relative to the value 1, or 0.

    A gradient may consist of round numbers by itself; the value at a random point does not, unless there is
    no gradient. One or two numbers may lie on a fine grid by chance: more must, and not on the next coarser.
    A number so large that its own rounding is as coarse as a grid does not count as on it.
    """
    told = transcript.pieces[rows, :-1]
    if not transcript.tells_values or not told.any(axis=1).all():
        return 0.0
    numbers = np.unique(np.append(told, transcript.told(rows)))
    error = NOISE_FLOOR.on_grid * np.maximum(1.0, np.abs(numbers))
    off = [
        (np.abs(np.round(numbers, decimals) - numbers) > error)
        | (error > NOISE_FLOOR.off_grid * 10.0**-decimals)
        for decimals in range(-1, NOISE_FLOOR.decimals)
    ]
    for decimals, (coarser, finer) in enumerate(pairwise(off)):
        if not finer.any():
            return float(10.0**-decimals) if coarser.sum() >= NOISE_FLOOR.least_on_grid else 0.0
    return 0.0


def rounded_floor(transcript: Transcript, lines: Lines, grid: float) -> NoiseFloor:
    """Take rounding to a grid for noise: uniform, of standard deviation grid / sqrt(12) in every number.

    Raises:
        NotPiecewiseLinear: it is too coarse, and circles cannot be searched.
    """
    spread = grid * np.sqrt(lines.input_size / 12)
    floor = 2 * float(spread) / max(transcript.scale, TINY)
    if floor > NOISE_FLOOR.too_noisy and not can_circle(transcript, lines):
        raise NotPiecewiseLinear(
            f"the answers are rounded to {grid:g}, {floor:.2g} of the gradient's size, and at most "
            f"{NOISE_FLOOR.too_noisy:.2g} can be told from a unit"
        )
    return NoiseFloor(
        max(transcript.noise, floor / NOISE_FLOOR.guard),
        drowned=floor > NOISE_FLOOR.too_noisy,
        seen=f"answers are rounded to {grid:g}, which leaves {floor:.2g} of the gradient's size open",
    )

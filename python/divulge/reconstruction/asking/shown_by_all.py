"""Whether one unit alone switches between two answers that hold several outputs' gradients.

Where one unit switches the gradients of all outputs jump by multiples of its row: the jump, outputs by
inputs, is a matrix of rank one. Where two switch it has rank two. If their rows are parallel it has not, but
then outputs that weigh them differently have tangents that meet at different places; if all outputs see both
through one later unit it has not either, but then the gradients themselves have rank one. What no two answers
show is a later unit that is on between them alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.settings import SHOWN_ONCE, TINY


@dataclass(frozen=True)
class Meeting:
    """Where the tangents of neighbouring answers on a line meet, shape (n - 1,) each.

    Attributes:
        t: the place on the line, maybe outside of the gap.
        step: how far from there an answer is on a side for certain.
        straight: whether the second value lies on the first tangent.
        bend: how much the slope changes.
    """

    t: Array
    step: Array
    straight: Mask
    bend: Array

    @classmethod
    def of(cls, t: Array, values: Array, slopes: Array, scale: float, error: float) -> Meeting:
        """Return where they meet.

        Args:
            t: of the answers, rising, shape (n,).
            values: shape (n,).
            slopes: along the line, shape (n,).
            scale: distance of the line's origin, in t.
            error: relative spacing of numbers.
        """
        reach, steepest = np.abs(t) + scale, float(np.abs(slopes).max())
        noise = np.maximum(np.abs(values[1:]), np.abs(values[:-1])) + steepest * np.maximum(
            reach[1:], reach[:-1]
        )
        noise *= SHOWN_ONCE.rounding * error
        width, rise, bend = np.diff(t), np.diff(values), np.diff(slopes)
        off = np.abs(rise - slopes[:-1] * width)
        straight = off <= SHOWN_ONCE.straight * noise + SHOWN_ONCE.same * steepest * width
        with np.errstate(divide="ignore", invalid="ignore"):
            meet = t[:-1] + (slopes[1:] * width - rise) / bend
            step = np.maximum(SHOWN_ONCE.spacings * error * (np.abs(meet) + scale), noise / np.abs(bend))
        return cls(meet, step, straight, bend)

    def within(self, t: Array) -> Array:
        """Return the places on the line, those outside of the gaps between answers at t NaN."""
        with np.errstate(invalid="ignore"):
            inside = (self.t >= t[:-1] - self.step) & (self.t <= t[1:] + self.step)
        return np.asarray(np.where(inside, np.clip(self.t, t[:-1], t[1:]), np.nan))

    def where(self, chosen: Mask, other: Meeting) -> Meeting:
        """Return this one's places in the chosen gaps, another's elsewhere."""
        t, step = np.where(chosen, self.t, other.t), np.where(chosen, self.step, other.step)
        return Meeting(t, step, other.straight, np.where(chosen, self.bend, other.bend))


@dataclass(frozen=True)
class ShownByAll:
    """What all outputs say of the gaps between neighbouring answers on a line, shape (n - 1,) each.

    Attributes:
        told: whether all of them answered on both sides.
        alone: whether one unit alone switches.
        sharpest: where the tangents of the output meet that bends most.
        between: the median of where the outputs' tangents meet, NaN where none do in the gap: outputs that
            weigh two units with the same signs meet between the two.
    """

    told: Mask
    alone: Mask
    sharpest: Meeting
    between: Array

    @classmethod
    def of(cls, t: Array, gradients: Array, scales: Array, meetings: list[Meeting], told: Mask) -> ShownByAll:
        """Compare the outputs.

        Args:
            t: of the answers, rising, shape (n,).
            gradients: of m outputs, shape (m, n, d).
            scales: length of each output's largest gradient, shape (m,).
            meetings: of each output's tangents.
            told: of which gaps all outputs answered on both sides, shape (n - 1,).
        """
        sharpest, together = meet_together(meetings)
        within = np.array([each.within(t) for each in meetings])
        count, order = np.isfinite(within).sum(axis=0), np.sort(within, axis=0)
        own = np.arange(len(count))
        lower, upper = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(order) - 1)
        median = (order[lower, own] + order[upper, own]) / 2
        return cls(told, one_unit(gradients, scales) & together & told, sharpest, median)


def told_at(others: list[Transcript], transcript: Transcript, rows: Index) -> tuple[list[Index], Mask]:
    """Return the rows of other outputs' records at the same points, and which all of them have, shape (n,).

    The records were kept side by side from some answer on.
    """
    known, places = np.ones(len(rows), bool), []
    for other in others:
        place = rows - (len(transcript) - len(other))
        known &= place >= 0
        place = np.maximum(place, 0)
        if len(other):
            gap = np.abs(other.points[place] - transcript.points[rows]).max(axis=1)
            known &= gap <= SHOWN_ONCE.on_line * np.abs(transcript.points[rows]).max(axis=1)
        places.append(place)
    return places, known & all(len(other) > 0 for other in others)


def one_unit(gradients: Array, scales: Array) -> Mask:
    """Return between which neighbouring answers one unit alone switches, by their gradients (m, n, d).

    Args:
        gradients: of m outputs at n points.
        scales: length of each output's largest gradient, shape (m,).
    """
    jumps = np.diff(gradients, axis=1)
    one = np.all(beyond_first(jumps) <= SHOWN_ONCE.same * scales[:, None], axis=0)
    many = np.asarray(np.any(beyond_first(gradients) > SHOWN_ONCE.shared * scales[:, None], axis=0))
    return np.asarray(one & many[1:] & many[:-1])


def beyond_first(rows: Array) -> Array:
    """Return how much of m rows at n places, (m, n, d), the longest at each does not span, shape (m, n)."""
    size = np.einsum("mnd,mnd->mn", rows, rows)
    lead = rows[size.argmax(axis=0), np.arange(rows.shape[1])]
    lead = lead / np.maximum(np.linalg.norm(lead, axis=1, keepdims=True), TINY)
    along = np.einsum("mnd,nd->mn", rows, lead)
    return np.asarray(np.linalg.norm(rows - along[..., None] * lead, axis=2))


def meet_together(meetings: list[Meeting]) -> tuple[Meeting, Mask]:
    """Return the sharpest meeting of every gap, and whether all that bend there meet with it."""
    bends = np.abs([each.bend for each in meetings])
    best = bends.argmax(axis=0)
    own = np.arange(len(best))
    t, step = (np.array([getattr(each, name) for each in meetings]) for name in ("t", "step"))
    bent = bends > SHOWN_ONCE.bent * bends.max(axis=0)
    with np.errstate(invalid="ignore"):
        alike = np.abs(t - t[best, own]) <= SHOWN_ONCE.together * (step + step[best, own])
    sharpest = Meeting(t[best, own], step[best, own], meetings[0].straight, bends[best, own])
    return sharpest, np.asarray((alike | ~bent).all(axis=0))

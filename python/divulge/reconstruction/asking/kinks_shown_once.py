"""The kinks of one line from few answers, those that lie on it already among them.

Between two answers in different pieces the tangents meet where the kink is, if there is one alone. The search
for all kinks has that shown by an answer on either side of the meeting. Here one does, on the side of the
answer that is further away; another kink can then hide only between the meeting and the nearer answer, and
where that is likely the second one is asked for, too. A few kinks of a hundred are sums of two all the same:
what is made of them must be borne out elsewhere. Where answers hold several outputs two neighbours tell
whether one unit alone switches between them: its kink is where their tangents meet, and no more is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.asking.shown_by_all import Meeting, ShownByAll, told_at
from divulge.reconstruction.settings import SHOWN_ONCE


@dataclass(frozen=True)
class Gaps:
    """What lies between neighbouring answers on a line, shape (n - 1,) each.

    Attributes:
        meet: t where the tangents meet.
        kink: whether one kink lies there.
        ask: t of the next question, NaN where none is to be asked.
    """

    meet: Array
    kink: Mask
    ask: Array


class KinksShownOnce:
    """A search of the line x = origin + t direction for t from low to high.

    Args:
        transcript: whom to ask, and the answers so far.
        origin: shape (d,).
        direction: shape (d,).
        low: where the line begins.
        high: where it ends.
    """

    def __init__(
        self, transcript: Transcript, origin: Array, direction: Array, low: float, high: float
    ) -> None:
        self.transcript = transcript
        self.origin = origin
        self.direction = direction
        self.ends = low, high
        self.scale = float(np.linalg.norm(origin) / np.linalg.norm(direction))
        self.slack = SHOWN_ONCE.at_end * (max(abs(low), abs(high)) + self.scale)
        self.borne_out: Array = np.empty(0)
        self.rows, self.t = self.answered()

    def run(self) -> Kinks:
        """Ask until every gap between answers is empty, holds a kink, or can be split no further.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.ask(self.begin())
        return self.search(SHOWN_ONCE.hidden)

    def prove(self, borne_out: Array) -> Kinks:
        """Have all kinks shown from both sides but for those at places that something else bears out.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.borne_out = np.sort(borne_out)
        return self.search(0.0)

    def search(self, hidden: float) -> Kinks:
        """Ask until no gap is open; kinks count where at most so many others may hide."""
        while len(more := (gaps := self.gaps(hidden)).ask[np.isfinite(gaps.ask)]):
            self.ask(more)
        place = np.flatnonzero(gaps.kink)
        gradients = self.transcript.pieces[self.rows, :-1]
        t = gaps.meet[place]
        points = self.origin + t[:, None] * self.direction
        return Kinks(np.zeros(len(t), np.intp), t, points, gradients[place + 1] - gradients[place])

    def answered(self) -> tuple[Index, Array]:
        """Return the rows of the answers on the line so far, and t of each, rising."""
        away = self.transcript.points[:, :-1] - self.origin
        t = away @ self.direction / (self.direction @ self.direction)
        off = np.linalg.norm(away - t[:, None] * self.direction, axis=1)
        on = off <= SHOWN_ONCE.on_line * np.linalg.norm(self.direction) * (np.abs(t) + self.scale)
        low, high = self.ends
        on &= (t - low >= -self.slack) & (t - high <= self.slack)
        rows = np.flatnonzero(on)
        order = np.argsort(t[rows], kind="stable")
        return rows[order], t[rows][order]

    def begin(self) -> Array:
        """Return t of the first questions: evenly in arctan t, or the ends where answers are at hand."""
        low, high = np.arctan(np.array(self.ends) / self.scale)
        first: Array = self.scale * np.tan(np.linspace(float(low), float(high), SHOWN_ONCE.first))
        first[[0, -1]] = self.ends
        if len(self.t) < SHOWN_ONCE.first:
            return np.asarray(first[~np.isin(first, self.t)])
        known = zip(self.ends, self.t[[0, -1]], strict=True)
        return np.array([end for end, t in known if abs(end - t) > self.slack])

    def ask(self, t: Array) -> None:
        """Ask at places on the line."""
        new = self.transcript.ask(self.origin + t[:, None] * self.direction)
        places = np.append(self.t, t)
        order = np.argsort(places, kind="stable")
        self.rows, self.t = np.append(self.rows, new)[order], places[order]

    def gaps(self, hidden: float) -> Gaps:
        """Say of all gaps what they hold, and where to ask next; see `search`."""
        t, gradients = self.t, self.transcript.pieces[self.rows, :-1]
        error = self.transcript.rounding
        first = self.meeting(self.transcript, self.rows)
        same = np.linalg.norm(np.diff(gradients, axis=0), axis=1) <= SHOWN_ONCE.same * self.transcript.scale
        same &= first.straight  # equal gradients do not say: two kinks may cancel
        all_say = self.shown_by_all(first)
        meeting = first if all_say is None else all_say.sharpest.where(all_say.alone, first)
        meet, step = meeting.within(t), meeting.step
        inside = np.isfinite(meet)
        left, right = (meet - t[:-1] <= SHOWN_ONCE.beside * step), (t[1:] - meet <= SHOWN_ONCE.beside * step)
        angle, middle = np.arctan(t / self.scale), np.arctan(meet / self.scale)
        usual = (~same).sum() / np.pi  # kinks to an angle
        before, after = usual * (middle - angle[:-1]), usual * (angle[1:] - middle)
        sure = np.diff(np.searchsorted(self.borne_out, t)) > 0
        kink = (left | sure | (before <= hidden)) & (right | sure | (after <= hidden)) & (left | right)
        ahead = left | (~right & (before < after))
        ask = np.where(ahead, meet + step, meet - step)
        if all_say is not None:
            kink = np.where(all_say.told, (left & right) | all_say.alone, kink)
            ask = np.where(all_say.told, all_say.between, ask)
        kink &= ~same & inside
        halfway = self.scale * np.tan((angle[1:] + angle[:-1]) / 2)
        ask = np.where((ask > t[:-1]) & (ask < t[1:]), ask, halfway)
        split = (ask > t[:-1]) & (ask < t[1:])
        split &= np.diff(t) > SHOWN_ONCE.narrow * error * (np.abs(t[1:]) + self.scale)
        return Gaps(meet, kink, np.where(~same & ~kink & split, ask, np.nan))

    def meeting(self, transcript: Transcript, rows: Index) -> Meeting:
        """Return where the tangents of one output meet."""
        slopes = transcript.pieces[rows, :-1] @ self.direction
        return Meeting.of(self.t, transcript.told(rows), slopes, self.scale, transcript.rounding)

    def shown_by_all(self, first: Meeting) -> ShownByAll | None:
        """Return what all outputs say of the gaps, None where an answer holds one.

        Args:
            first: where the first output's tangents meet.
        """
        others = self.transcript.beside
        if not others:
            return None
        places, known = told_at(others, self.transcript, self.rows)
        records = [(self.transcript, self.rows), *zip(others, places, strict=True)]
        gradients = np.stack([record.pieces[rows, :-1] for record, rows in records])
        scales = np.array([record.scale for record, _ in records])
        meetings = [first, *(self.meeting(*each) for each in records[1:])]
        return ShownByAll.of(self.t, gradients, scales, meetings, known[1:] & known[:-1])

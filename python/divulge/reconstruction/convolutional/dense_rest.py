"""Units of the last dense layer from what those that are known leave of slopes: no kink is met for them.

Behind the last hidden layer a unit's jump is the same everywhere. With the known ones taken off, slopes are
the same at all pieces but those where a unit that is missing is on the side on which it seldom is: there its
row is left, times its jump.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.dense_layer import DenseLayer
from divulge.reconstruction.convolutional.dense_rows import DenseRow
from divulge.reconstruction.convolutional.dense_sides import agreeing, steady_jumps
from divulge.reconstruction.convolutional.extreme import climbed, few_alone
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.odd_pieces import Rest, something_left
from divulge.reconstruction.convolutional.pulled_back import Piece
from divulge.reconstruction.settings import CONV_DENSE, CONV_REST


class RestOfLast:
    """The search for units of the last dense layer that walks have not met.

    Args:
        search: the units that walks have met, whole, and its pieces.
    """

    def __init__(self, search: DenseLayer) -> None:
        self.search = search
        self.walk = search.walk
        self.added: list[DenseRow] = []
        self.refused: dict[bytes, int] = {}
        self.prefix = Prefix(self.walk.known.shape, self.walk.known.layers[: search.depth])

    def find(self) -> None:
        """Ask where few features are up until nothing is left at any of these, or nothing is learned from it.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        failures = 0
        for _ in range(CONV_REST.rounds):
            rest = self._learned()
            if rest is None:
                return
            fresh = self._asked(few_alone(self.prefix, self.walk.lines, CONV_REST.answers))
            rest = self.rest()
            if rest is None or not (rest.odd >= len(rest.left) - len(fresh)).any():
                return
            failures = 0 if self._added(rest) else failures + 1
            if failures == CONV_REST.failures:
                return

    def _learned(self) -> Rest | None:
        """Take unit after unit off; what is left then, None where a unit's jumps differ."""
        rest = self.rest()
        while rest is not None and self._added(rest):
            rest = self.rest()
        return rest

    def rest(self) -> Rest | None:
        """What known units leave of all pieces at which their sides are told."""
        rows, weights = self.search.found.rows, steady_jumps(self.search)
        if weights is None or not len(weights):
            return None
        pieces = self.search.pieces
        matrix = np.stack([row.weights for row in rows])
        points = np.column_stack([np.stack([piece.features for piece in pieces]), np.ones(len(pieces))])
        made = ((points @ matrix.T > 0) * weights) @ matrix
        slopes = np.stack([piece.slopes for piece in pieces])
        left = np.column_stack([slopes, [piece.level for piece in pieces]]) - made
        left[:, :-1][points[:, :-1] == 0] = np.nan
        scale = float(np.abs(slopes).max())
        agreed = agreeing(left[:, :-1], CONV_REST.nothing * scale)
        if agreed.mean() < CONV_DENSE.clear:
            return None
        usual = np.full(left.shape[1], np.nan)
        seen = ~np.isnan(left[agreed]).all(axis=0)
        usual[seen] = np.nanmedian(left[agreed][:, seen], axis=0)
        left = left - usual
        return Rest(points, left, np.flatnonzero(something_left(left, scale)), usual[:-1], scale)

    def _added(self, rest: Rest) -> bool:
        """Add a unit that is left alone at some pieces; whether there is one.

        What was in vain is tried again when it is left at twice as many.
        """
        for same in rest.alike():
            key = min(self.search.pieces[row].point.tobytes() for row in rest.odd[same])
            if len(same) < CONV_REST.twice * self.refused.get(key, 1):
                continue
            if self._is_unit(rest, same):
                return True
            self.refused[key] = len(same)
        return False

    def _is_unit(self, rest: Rest, same: Index) -> bool:
        """Add what is left at some odd pieces as a unit, if with it nothing is left where nothing was before.

        Two units that are left together make more odd pieces: those at which one of them is left. Where two
        passed for one before the other was seen alone, that one is taken back, for one of them or for both.
        """
        row = self._row(rest, same)
        doubted = [other.weights for other in self.added]
        wrong = rest.on_where_nothing_is_left(row.weights, row.known, doubted)
        if wrong * CONV_REST.trust > len(same) or not self._completed(row, rest):
            return False
        found, less = self.search.found, rest.without(row.weights, row.jumps[0])
        if len(less.odd) < len(rest.odd):
            fresh = np.setdiff1d(less.odd, rest.odd)
            if len(fresh) * CONV_REST.trust <= len(same):
                found.rows = [*found.rows, row]
                self.added.append(row)
                return True
        for other in self.added:
            if len(less.without(other.weights, -other.jumps[0]).odd) < len(rest.odd):
                found.rows = [*(each for each in found.rows if each is not other), row]
                self.added = [*(each for each in self.added if each is not other), row]
                return True
        return self._parts(row, rest)

    def _parts(self, row: DenseRow, rest: Rest) -> bool:
        """Take one that was added for two, a unit and what that leaves of it, if less is left so."""
        for other in self.added:
            twin = other.jumps[0] * other.weights - row.jumps[0] * row.weights
            size = float(np.linalg.norm(twin))
            apart = rest.without(other.weights, -other.jumps[0]).without(row.weights, row.jumps[0])
            for jump in (size, -size):
                if len(apart.without(twin / jump, jump).odd) < len(rest.odd):
                    both = row, DenseRow(twin / jump, np.ones(len(twin), bool), jumps=[jump])
                    self.search.found.rows = [
                        *(each for each in self.search.found.rows if each is not other),
                        *both,
                    ]
                    self.added = [*(each for each in self.added if each is not other), *both]
                    return True
        return False

    def _row(self, rest: Rest, same: Index) -> DenseRow:
        """What is left at some odd pieces as a row, which is above 0 there."""
        together = rest.left[rest.odd[same]]
        known = np.asarray(~np.isnan(together).all(axis=0))
        weights = np.zeros(together.shape[1])
        weights[known] = np.nanmedian(together[:, known], axis=0)
        features = self.search.pieces[rest.odd[same[0]]].features
        side, size = np.sign(np.append(features, 1.0) @ weights), float(np.linalg.norm(weights))
        return DenseRow(side * weights / size, known, jumps=[float(side * size)])

    def _completed(self, row: DenseRow, rest: Rest) -> bool:
        """Ask where a unit is on the side on which it is left, and features whose entries are open."""
        failures = 0
        while not row.whole and failures < CONV_REST.tries:
            known = int(row.known.sum())
            for piece in self._asked(self._showing(row)):
                slopes = self._left_at(piece, rest) / row.jumps[0]
                both = row.known[:-1] & ~np.isnan(slopes)
                off = np.abs(slopes - row.weights[:-1])[both]
                if both.sum() >= CONV_REST.overlap and off.max() <= CONV_DENSE.steady:
                    fresh = np.append(~row.known[:-1] & ~np.isnan(slopes), False)
                    row.weights[fresh] = slopes[fresh[:-1]]
                    row.known |= fresh
            failures = 0 if row.known.sum() > known else failures + 1
        return row.whole

    def _left_at(self, piece: Piece, rest: Rest) -> Array:
        """What known units leave of the slopes (q,) of a piece, of what is left usually."""
        weights = steady_jumps(self.search)
        assert weights is not None
        matrix = np.stack([row.weights for row in self.search.found.rows])
        made = ((matrix @ np.append(piece.features, 1.0) > 0) * weights) @ matrix[:, :-1]
        return np.where(piece.on, piece.slopes - made - rest.usual, np.nan)

    def _showing(self, row: DenseRow) -> Array:
        """Points (m, d) at which a unit is above 0 and many features are on whose entries are open.

        These are on by little: they may turn the unit off.
        """
        rng, count = self.walk.lines.rng, CONV_REST.candidates
        weights = torch.from_numpy(np.where(row.known, row.weights, 0.0)[:-1])
        some = rng.uniform(size=(count, len(weights))) < rng.uniform(*CONV_REST.some, (count, 1))
        wanted = torch.from_numpy(some & ~row.known[:-1])
        pull = torch.from_numpy(10 ** rng.uniform(*CONV_REST.pull, (count, 1))) * weights.abs().max()
        level = torch.from_numpy(10 ** rng.uniform(*CONV_REST.level, (count, 1)))

        def goal(z: Tensor, usual: Tensor) -> Tensor:
            little = -pull * (z - level * usual).abs()
            return torch.where(wanted, little, torch.clamp(z, min=0.0) * weights)

        points = climbed(self.prefix, self.walk.lines, CONV_REST.candidates, goal)
        features = self.search.back.features(points)
        above = features @ weights.numpy() + row.weights[-1] > 0
        shown, missing = (features != 0) & above[:, None], ~row.known[:-1]
        chosen: list[int] = []
        while len(chosen) < CONV_REST.chosen and (shown & missing).any():
            chosen.append(int((shown & missing).sum(axis=1).argmax()))
            missing = missing & ~shown[chosen[-1]]
        return np.asarray(points[chosen])

    def _asked(self, points: Array) -> list[Piece]:
        """The pieces of points (n, d), as far as there are."""
        if not len(points):
            return []
        pieces = [self.search.back.piece(answer) for answer in self.walk.ask(points)]
        return [piece for piece in pieces if piece is not None]

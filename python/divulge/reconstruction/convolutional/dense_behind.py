"""Dense layers behind convolutions, one after the other, until one of them is the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from divulge.arrays import Array
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.convolutional.dense_inner import rarer_of_inner
from divulge.reconstruction.convolutional.dense_layer import DenseLayer
from divulge.reconstruction.convolutional.dense_rest import RestOfLast
from divulge.reconstruction.convolutional.dense_sides import DenseSides, sides_of_inner, sides_of_last
from divulge.reconstruction.convolutional.ending import ConvResult, Ending
from divulge.reconstruction.convolutional.equations import answered
from divulge.reconstruction.convolutional.feature_sides import poolings, sides_by_answers
from divulge.reconstruction.convolutional.next_layer import NextLayer
from divulge.reconstruction.convolutional.patches import Box, box_of
from divulge.reconstruction.convolutional.side_answers import spread
from divulge.reconstruction.convolutional.spanned import MissingChannels, likeliest_pool
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.settings import CONV_ATTACK, CONV_DENSE


class DenseBehind(Ending):
    """The search through dense layers behind the known ones.

    Attributes:
        dense: the search of the last one.
    """

    dense: DenseLayer | None = None

    def _dense_behind(self, kinks: Sequence[Kink], layer: NextLayer | None = None) -> ConvResult | None:
        """Take dense layers apart behind the last known layer; None where there are none, or it is not whole.

        Args:
            kinks: that known layers do not explain.
            layer: the search for the last known one, if there is one before it.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        boxes = [box_of(kink, self.known.shape) for kink in kinks]
        if len(boxes) < CONV_DENSE.deeper or not seen_whole(boxes, first=len(self.known.layers) == 1):
            return None
        depth, tolerance = len(self.known.layers) - 1, self.walk.tolerances.missing
        answers = some_answers(self.walk) + self.walk.ask(spread(self.walk, CONV_DENSE.fresh))
        if layer is not None:
            self._look_for_missing(layer, answers)
            answers += of_every_side(self.walk)
        last = self.known.layers[-1]
        turned = sides_by_answers(self.known, answers, self.walk.lines.rng, tolerance)
        if turned is None:
            return None
        self.known.layers[-1] = turned
        found = self._dense_layers()
        if found is None:
            self.known.layers[depth:] = [last]
        return found

    def _look_for_missing(self, layer: NextLayer, answers: list[Answer]) -> None:
        """Look for channels of the last known layer by answers that those that are known do not explain."""
        found = likeliest_pool(self.walk, poolings(self.known), answers)
        if found is not None:
            pool, explained = found
            search = MissingChannels(layer, pool)
            search.last = explained
            search.found_all()

    def _dense_layers(self) -> ConvResult | None:
        """Find dense layer after dense layer; None where the first one is not met."""
        trail = transcript_trail(self.walk)
        first = len(self.known.layers)
        for depth in range(first, CONV_ATTACK.deepest):
            search = DenseLayer(self.walk)
            search.replay(trail)
            found = self._searched(search)
            if isinstance(found, ConvResult):
                return found
            if found is None:
                if depth == first and (search.spoilt or not search.found.rows):
                    return None
                met = f"{len(search.found.rows)} of its units were met"
                return ConvResult(
                    None, self.outputs, open=f"layer {depth + 1}, a dense one, was not found whole: {met}"
                )
            self._told_dense(depth)
            trail = search.trail
        return ConvResult(None, self.outputs, open="fresh answers are not explained by the layers found")

    def _told_dense(self, depth: int) -> None:
        """Called with a layer's depth when it is known."""

    def _searched(self, search: DenseLayer) -> ConvResult | DenseSides | None:
        """Search a layer longer and longer until it is the last one, or has its sides; None where neither."""
        for quiet in CONV_DENSE.searches:
            search.find(quiet)
            if not search.found.rows or search.spoilt:
                return None
            last = self._ended(search)
            for _ in range(CONV_DENSE.misses):
                if last is not True:
                    break
                last = self._look_at_misses(search)
            if isinstance(last, ConvResult):
                return last
            sides = None if last else rarer_of_inner(search, sides_of_inner(search))
            if sides is not None:
                self._turn_dense(search, sides)
                return sides
        return None

    def _ended(self, search: DenseLayer) -> ConvResult | bool:
        """The copy where a layer is the last one; otherwise whether it is, something being missing."""
        search.complete()
        search.recount()
        search.found.drop_open()
        RestOfLast(search).find()
        sides = sides_of_last(search)
        if sides is None:
            return False
        self._turn_dense(search, sides)
        self.dense, self.missed = search, None
        return self._outputs() if self._explains_all() else True

    def _look_at_misses(self, search: DenseLayer) -> ConvResult | bool:
        """Walk from answers at which the last copy was wrong, and try again."""
        assert self.missed is not None
        for answer in self.walk.answers(self.missed[1][: CONV_DENSE.misses]):
            search.walk_from(answer)
        return self._ended(search)

    def _dense_from(self, point: Array) -> ConvResult | None:
        """Look for what a copy lacks that an answer at a point (d,) refutes; None where nothing is found."""
        search = self.dense
        if search is None:
            return None

        def work() -> ConvResult | None:
            (answer,) = self.walk.answers(answered(self.walk.transcript, point[None]))
            search.walk_from(answer)
            found = self._ended(search)
            for _ in range(CONV_DENSE.misses):
                if found is not True:
                    break
                found = self._look_at_misses(search)
            return found if isinstance(found, ConvResult) else None

        return until_stopped(work, lambda why: ConvResult(None, self.outputs, stopped=why))

    def _turn_dense(self, search: DenseLayer, sides: DenseSides) -> None:
        """Put a dense layer, its sides known, among the known ones."""
        search.install()
        layer = self.known.layers[-1]
        rows = np.stack([row.weights for row in search.found.rows])
        turned = np.sign(np.einsum("ij,ij->i", rows[:, :-1], layer.filters.reshape(len(rows), -1)))
        self.known.layers[-1] = replace(layer, signs=sides.signs * turned, slope=sides.slope)


def seen_whole(boxes: Sequence[Box], first: bool) -> bool:
    """Whether kinks cover all that is covered by any, as those of dense units do.

    Args:
        boxes: what each covers.
        first: whether one layer alone is known: then most must, since others may be of a second convolution.
    """
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    all_of_it = Box(top, max(box.bottom for box in boxes), left, max(box.right for box in boxes))
    count = sum(box == all_of_it for box in boxes)
    return count >= (CONV_DENSE.whole * len(boxes) if first else CONV_DENSE.deeper)


def some_answers(walk: Walk) -> list[Answer]:
    """Some answers from all over the walk."""
    return walk.answers(np.linspace(0, len(walk.transcript) - 1, CONV_DENSE.pieces).astype(np.intp))


def of_every_side(walk: Walk) -> list[Answer]:
    """Some late answers, among which each channel of the last known layer is above 0, and below it."""
    rows = np.arange(max(0, len(walk.transcript) - CONV_DENSE.late), len(walk.transcript))
    with torch.no_grad():
        z = walk.known.before(walk.known.images(walk.transcript.points[rows, :-1]))[-1].flatten(2)
        shown = torch.cat([(z > 0).any(dim=2), (z < 0).any(dim=2)], 1).numpy()
    chosen, missing = [], shown.any(axis=0)
    while missing.any():
        chosen.append(int(shown[:, missing].sum(axis=1).argmax()))
        missing = missing & ~shown[chosen[-1]]
    return walk.answers(rows[chosen])


def transcript_trail(walk: Walk) -> list[list[Answer]]:
    """All answers in the order in which they were asked for, cut into walks."""
    answers = walk.answers(np.arange(len(walk.transcript)))
    size = CONV_DENSE.trail
    return [answers[first : first + size] for first in range(0, len(answers), size)]

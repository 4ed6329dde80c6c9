"""Fresh points that a finished copy is tested at, in every way of drawing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.extreme import few_alone, up_features
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.judge import certain
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.unlike import most_unlike
from divulge.reconstruction.falsification.samples import Drawn, far_out, on_faces, scattered
from divulge.reconstruction.settings import CONV_EXTREME, CONV_JUDGE, FALSIFYING, Tolerances


class Fresh:
    """What draws fresh points for a copy's known layers.

    Where answers are coarse more are drawn than asked about, and those at which every side is certain come
    first: answers at the others do not count. Before a last dense layer there are the more the longer the
    search was; so are those at which few features are up alone behind a last convolution, where there may be
    a dense layer yet that no usual input switches.

    Args:
        prefix: the known layers.
        lines: draws points.
        tolerances: of answers.
        searched: queries that the search took.
    """

    def __init__(self, prefix: Prefix, lines: Lines, tolerances: Tolerances, searched: int = 0) -> None:
        self.prefix = prefix
        self.lines = lines
        self.tolerances = tolerances
        self.searched = searched
        self.count = CONV_JUDGE.fresh
        if prefix.ends_dense:
            self.count = max(self.count, searched // CONV_JUDGE.share)

    def everywhere(self) -> list[Drawn]:
        """Points inside, images of every grain, at all distances and far out; in a box on its faces."""
        lines, most = self.lines, FALSIFYING.farthest
        usual = "standard normal" if lines.domain is None else "uniform in the box"
        drawn = [self._drawn(usual, lines.inside), self._drawn("images of every grain", self._images)]
        if lines.domain is None:
            single = self.tolerances.single
            drawn += [
                self._drawn("up to 1,000 times as far", lambda count: scattered(lines, count)),
                self._drawn("far out", lambda count: far_out(lines, count // 2, single)),
                self._drawn("grains far out", lambda count: most * self._images(count)),
            ]
        else:
            drawn.append(self._drawn("on faces and vertices", lambda count: on_faces(lines, count)))
        if self.prefix.ends_dense:
            inner = Prefix(self.prefix.shape, self.prefix.layers[:-1])
            up, alone = max(CONV_JUDGE.up, self.count), max(CONV_JUDGE.alone, self.count)
            drawn.append(Drawn("up combinations of features", up_features(inner, lines, up)))
            drawn.append(Drawn("few features up alone", few_alone(inner, lines, alone)))
        else:  # dense units behind that are on, or off, at all of the others look like outputs
            alone = max(CONV_JUDGE.alone_last, self.searched // CONV_JUDGE.share)
            drawn.append(self._drawn("few features up alone", self._alone, alone))
        return drawn

    def one(self) -> Drawn:
        """One point for each output but the first."""
        shape = self.prefix.shape
        return self._drawn("one for each other output", lambda n: grainy(self.lines, shape, n), 1)

    def _images(self, count: int) -> Array:
        drawn = grainy(self.lines, self.prefix.shape, max(CONV_JUDGE.drawn, count))
        return most_unlike(self.prefix, drawn, count)

    def _alone(self, count: int) -> Array:
        return few_alone(self.prefix, self.lines, count, down=CONV_EXTREME.down_last)

    def _drawn(self, how: str, draw: Callable[[int], Array], count: int | None = None) -> Drawn:
        """Draw points (n, d), by default as many as of each kind."""
        count = self.count if count is None else count
        points = draw(count * (CONV_JUDGE.spare if self.tolerances.single else 1))
        last = ~certain(self.prefix, points, self.tolerances)
        return Drawn(how, points[np.argsort(last, kind="stable")[:count]])

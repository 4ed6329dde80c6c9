"""Layers behind a narrow first one: found, turned and completed in cells where most features are on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.cell_edges import with_open_entries
from divulge.reconstruction.deep.cells import aimed, drawn, explore_cells, steadied
from divulge.reconstruction.deep.confirm_together import sharp_far_out
from divulge.reconstruction.deep.orientation.by_bends import turned_by_bends
from divulge.reconstruction.deep.orientation.choose import turned_in_cells
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import CELLS, LATER, LAYERS

Find = Callable[[FreeLayer], Candidates]


class NarrowLayers:
    """Searches cells of the known layers, once other ways have shown too little.

    Args:
        probe: whom to ask.
        pool: where what is searched goes.
        lines: its random numbers are used.

    Attributes:
        begun: whether cells are searched by now.
    """

    def __init__(self, probe: Probe, pool: Pool, lines: Lines) -> None:
        self.probe = probe
        self.pool = pool
        self.lines = lines
        self.begun = False
        self.asked_later: dict[tuple[Dense, ...], tuple[int, int]] = {}  # entries known, lines searched
        self.unexplained = 0  # rounds that left answers unexplained

    def begins(self, prefix: Prefix, passes: Callable[[], bool]) -> bool:
        """Count a round that left answers unexplained; return whether cells are searched from now on.

        Args:
            prefix: the layers turned so far.
            passes: whether the first layer hands on its input, so that its features are not all there is.
        """
        self.unexplained += 1
        if self.begun or self.unexplained < CELLS.after_rounds or not self.can_choose(prefix) or passes():
            return False
        self.begun = True
        return True

    def can_choose(self, prefix: Prefix) -> bool:
        """Whether cells of these layers can be chosen: the first is free and narrow, one may ask far out."""
        if not prefix.layers or not sharp_far_out(self.probe, self.lines):
            return False
        free = free_layer(self.probe, self.lines, prefix)
        return free is not None and len(free.layer) < LAYERS.wide

    def first(self, prefix: Prefix) -> FreeLayer | None:
        """Return the first layer where cells behind it are searched, else None."""
        if not self.begun or not prefix.layers:
            return None
        return free_layer(self.probe, self.lines, prefix)

    def decided(self, prefix: Prefix, units: Candidates) -> Candidates:
        """Return units whose open entries keep them in one state, where cells are searched."""
        free = None if units.known.all() else self.first(prefix)
        if free is None:
            return units
        points = [drawn(free, self.lines.rng, CELLS.draws), self.probe.answered()[0]]
        return with_open_entries(prefix, units, np.concatenate(points))

    def explored(self, prefix: Prefix, free: FreeLayer, find: Find) -> Candidates:
        """Search cells until they show no more units; return what find returns then."""
        return explore_cells(self.pool, prefix, free, lambda: find(free))

    def turned(self, prefix: Prefix, free: FreeLayer, units: Candidates, enough: float) -> Dense | None:
        """Turn a layer's units by answers in cells, or by later units, and add what is on everywhere.

        Where entries of rows are open, answers say little, and later units are asked first.
        """
        layer = None if units.known.all() else self.turned_by_bends(prefix, free, units)
        if layer is None:
            draws = drawn(free, self.lines.rng, CELLS.draws)
            layer = turned_in_cells(self.pool, prefix, units, draws, enough)
        if layer is None and units.known.all():
            layer = self.turned_by_bends(prefix, free, units)
        return layer

    def turned_by_bends(self, prefix: Prefix, free: FreeLayer, units: Candidates) -> Dense | None:
        """Ask later units, again only where more of the layer is known or much more was searched."""
        key, known, searched = tuple(prefix.layers), int(units.known.sum()), len(self.pool.sweeps)
        before = self.asked_later.get(key)
        if before is not None and before[0] == known and searched < LATER.again * before[1]:
            return None
        self.asked_later[key] = known, searched
        return turned_by_bends(self.pool, prefix, free, units)

    def without_always_on(
        self, prefix: Prefix, free: FreeLayer, layer: Dense, find: Find, enough: float
    ) -> Dense | None:
        """Look for a layer's last unit, that seems to be on everywhere, where its row says it is not.

        Returns:
            The layer turned anew where it shows, else as it is.
        """
        segments = aimed(prefix, free, layer.rows[-1], self.lines)
        if len(segments[0]):
            self.pool.between(*segments)
            units = find(free)
            if len(units) >= layer.units:
                return self.turned(prefix, free, units, enough)
        return steadied(prefix, free, layer, self.lines)


def free_layer(probe: Probe, lines: Lines, prefix: Prefix) -> FreeLayer | None:
    """Return how freely regions of the first layer are chosen, or None."""
    first = Prefix(probe.input_size, prefix.layers[:1])
    return FreeLayer.of(first, lines.domain, lines.samples(LAYERS.samples))

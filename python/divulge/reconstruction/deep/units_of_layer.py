"""The units of one layer behind known ones: which kinks show them, and what bears them out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from divulge.arrays import Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates, group, joined, merge
from divulge.reconstruction.deep.confirm import shown
from divulge.reconstruction.deep.confirm_together import confirmed_together
from divulge.reconstruction.deep.crossings import Crossings
from divulge.reconstruction.deep.evidence import explained_by, hits
from divulge.reconstruction.deep.joint_kinks import joint_units
from divulge.reconstruction.deep.missing_entries.by_edges import Vain, complete, completed_by_programme
from divulge.reconstruction.deep.one_sided import OneSided
from divulge.reconstruction.deep.partial_rows import Segments
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.sharpen_offsets import sharpened
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import CONFIRM, LAYERS, TOGETHER

Layers = tuple[Dense, ...]


def together(probe: Probe, prefix: Prefix, lines: Lines) -> bool:
    """Whether the first layer's units are asked about many at once: where it pays, and answers are sharp."""
    many = probe.input_size >= TOGETHER.least_inputs
    anywhere = lines.domain is None and lines.reach >= TOGETHER.least_reach
    return not prefix.layers and many and anywhere and not (probe.rounded or probe.bends_are_cheap)


class LayerUnits:
    """Finds the units of the layer after a prefix, and remembers what was tried behind which layers.

    Args:
        probe: what asks.
        pool: the lines searched so far.
        lines: where hyperplanes are looked for.
    """

    def __init__(self, probe: Probe, pool: Pool, lines: Lines) -> None:
        self.probe = probe
        self.pool = pool
        self.lines = lines
        self.refusals: dict[Layers, Counter[bytes]] = {}
        self.vain: dict[Layers, Vain] = {}
        self.one_sided = OneSided(probe, lines)
        self.crossings = Crossings(probe, lines)
        self.kept: dict[Layers, tuple[Segments, int]] = {}  # solved jumps by layers, of how many sweeps

    @property
    def alike(self) -> float:
        """Angle between rows that counts as none."""
        return self.probe.tolerances.alike

    def find(self, prefix: Prefix, known: Candidates | None, free: FreeLayer | None) -> Candidates:
        """Return the units of the layer after the prefix that the kinks met so far show.

        Args:
            prefix: the layers before, turned.
            known: the units found before, or None.
            free: how freely regions of the first layer are chosen, where whole rows are sought there.
        """
        units, old = self.candidates(prefix, known)
        units = self.sharp(prefix, units, ~old & (units.members > 1))
        if not together(self.probe, prefix, self.lines):  # which costs next to nothing
            old |= self.beyond_chance(units)
        untried = old | (units.members > 1) | ~self.refused(prefix, units)
        units, old = units.take(untried), old[untried]
        keep = old.copy()
        keep[~old] = self.worth_completing(prefix, units.take(~old), free)
        self.refuse(prefix, units.take(~keep & (units.members == 1)))
        units, old = self.completed(prefix, units.take(keep)), old[keep]
        new = ~old if free is None else ~old & units.known.all(axis=1)
        keep = old | self.confirmed_again(prefix, units, new, known)
        self.refuse(prefix, units.take(~keep & (units.members == 1)))
        return self.without_doubles(units.take(keep))

    def find_in_cells(self, prefix: Prefix, known: Candidates | None, free: FreeLayer) -> Candidates:
        """Return the units of the layer after the prefix that were met twice, none of which reads another.

        Args:
            prefix: the layers before, turned.
            known: the units found before, or None.
            free: the first layer, of which most is on where hyperplanes are looked at.
        """
        units, old = self.candidates(prefix, known)
        new = ~old & (units.members > 1) & ~self.refused(prefix, units)
        units, old = units.take(old | new), old[old | new]
        units = self.completed(prefix, units)
        keep = old | self.confirmed_again(prefix, units, ~old, known)
        self.refuse(prefix, units.take(~keep))
        units = self.without_doubles(units.take(keep))
        deeper = self.crossings.deeper(prefix, free, units)
        self.refuse(prefix, units.take(deeper))
        return self.completed_by_programme(prefix, units.take(~deeper))

    def completed(self, prefix: Prefix, units: Candidates) -> Candidates:
        """Look for the entries of rows that no jump has shown; return the units with what was found."""
        return complete(self.probe, prefix, units, self.lines, self.tried_in_vain(prefix))

    def completed_by_programme(self, prefix: Prefix, units: Candidates) -> Candidates:
        """Look for entries that are still missing by an integer programme."""
        return completed_by_programme(self.probe, prefix, units, self.lines, self.tried_in_vain(prefix))

    def tried_in_vain(self, prefix: Prefix) -> Vain:
        """Return how often entries of rows behind these layers were looked for in vain."""
        return self.vain.setdefault(tuple(prefix.layers), Counter())

    def sharp(self, prefix: Prefix, units: Candidates, new: Mask) -> Candidates:
        """Sharpen the offsets of new units where answers are rounded."""
        if not self.probe.rounded or not new.any():
            return units
        offsets = units.offsets.copy()
        offsets[new] = sharpened(self.probe, prefix, units.take(new), self.lines).offsets
        return replace(units, offsets=offsets)

    def refuse(self, prefix: Prefix, units: Candidates) -> None:
        """Remember the kinks of what was no unit of the layer after the prefix."""
        known = self.refusals.setdefault(tuple(prefix.layers), Counter())
        known.update(point.tobytes() for point in units.points)

    def refused(self, prefix: Prefix, units: Candidates) -> Mask:
        """Return which candidates are kinks that were refused before."""
        known = self.refusals.get(tuple(prefix.layers), Counter())
        return np.asarray([known[point.tobytes()] >= LAYERS.refusals for point in units.points], bool)

    def beyond_chance(self, units: Candidates) -> Mask:
        """Return which candidates were met twice in a layer so wide that no deeper unit looks alike twice.

        A deeper unit shows one row at two places only where all units of this layer have the same states.
        """
        twice = units.members > 1
        return twice if twice.sum() >= LAYERS.many else np.zeros(len(units), bool)

    def confirmed_again(self, prefix: Prefix, units: Candidates, new: Mask, known: Candidates | None) -> Mask:
        """Confirm new units at more places, now that more of their rows is known."""
        out = np.zeros(len(units), bool)
        out[new] = self.confirm(prefix, units.take(new), known)
        return out

    def without_doubles(self, units: Candidates) -> Candidates:
        """Merge units that turn out to be one once their rows are completed."""
        alike = LAYERS.single_alike if self.probe.rounded else self.alike
        groups = group(units.segments(), alike, LAYERS.overlap)
        return merge(units.segments(), groups)

    def without_deeper(self, prefix: Prefix, units: Candidates) -> Candidates:
        """Leave out units of a deeper layer: among many none looks like one of this layer twice.

        It is not tried where a place costs many values, nor where there are more features than inputs and
        places cannot be chosen: there a third more queries told nothing.
        """
        dear = self.probe.rounded or self.probe.bends_are_cheap or len(units) >= LAYERS.many
        if not prefix.layers or dear or len(prefix.layers[0]) > prefix.input_size:
            return units
        return units.take(~self.one_sided.deeper(prefix, units))

    def candidates(self, prefix: Prefix, known: Candidates | None) -> tuple[Candidates, Mask]:
        """Return the units that the pool of kinks shows and the sweeps bear out, and which are known."""
        found = self.unexplained(prefix, prefix)
        is_known = np.zeros(len(found), bool)
        if known is not None:
            found = self.beyond(prefix, known, found)
            is_known = np.arange(len(found) + len(known)) >= len(found)
            found = found.joined(known.segments())
        groups = group(found, self.alike, LAYERS.overlap)
        merged = merge(found, groups)
        old = np.bincount(groups, weights=is_known, minlength=len(merged)) > 0
        seen, due = hits(prefix, merged, self.pool.sweeps, self.probe.tolerances.missing)
        told_apart_later = together(self.probe, prefix, self.lines)
        share = 0.0 if told_apart_later else LAYERS.hit_share
        keep = (seen >= share * due) & (old | (seen > 0))
        if self.probe.rounded:
            keep |= old  # a blunt row misses kinks that are there
        return merged.take(keep), old[keep]

    def beyond(self, prefix: Prefix, known: Candidates, found: Segments) -> Segments:
        """Forget what lies on hyperplanes of units whose whole rows are known: it tells nothing more."""
        whole = known.take(np.asarray(known.known.all(axis=1)))
        on = explained_by(
            Dense(whole.rows, whole.offsets), prefix.features(found.points), self.probe.tolerances.loose
        )
        left = found.take(~on)
        self.kept[tuple(prefix.layers)] = (left, len(self.pool.sweeps))
        return left

    def worth_completing(self, prefix: Prefix, units: Candidates, free: FreeLayer | None) -> Mask:
        """Return which candidates show at predicted places, or were met twice and have no such place.

        Where a whole row takes two questions, and those cost no more than others, all are worth it.
        """
        if together(self.probe, prefix, self.lines) or (free is not None and not self.probe.bends_are_cheap):
            return np.ones(len(units), bool)
        most = LAYERS.places if self.probe.bends_are_cheap else CONFIRM.first_places
        share, asked = shown(self.probe, prefix, units, self.lines, most)
        return np.where(asked > 0, share >= 0.5, units.members > 1)

    def confirm(self, prefix: Prefix, units: Candidates, known: Candidates | None = None) -> Mask:
        """Look for hyperplanes at random places where they must show; some of the layer's units are known."""
        if together(self.probe, prefix, self.lines):
            return confirmed_together(self.probe, units, self.lines, known)
        share, asked = shown(self.probe, prefix, units, self.lines, LAYERS.places)
        return np.asarray((share >= LAYERS.hit_share) & (asked > 1))

    def leftovers(self, known: Prefix, prefix: Prefix, in_cells: bool) -> tuple[Candidates, Candidates]:
        """Return units behind a prefix that only single kinks of no known unit show, borne out, and all.

        Among cells units are hardly ever on that are left: several kinks may show a row that none shows
        alone, and places near these are where to look for them.

        Args:
            known: all layers, with the one after the prefix.
            prefix: the layers before the units.
            in_cells: whether cells are searched.
        """
        single = self.unexplained(known, prefix)
        units = self.completed(prefix, merge(single, np.arange(len(single))))
        if not in_cells:
            borne_out = units.take(self.confirm(prefix, units))
            return self.without_doubles(borne_out), self.without_doubles(units)
        units = joined(units, joint_units(prefix, *self.pool.unexplained(known), self.alike))
        share, asked = shown(self.probe, prefix, units, self.lines, LAYERS.places, near=True)
        good = (share >= LAYERS.hit_share) & (asked > 1)
        return self.without_doubles(units.take(np.asarray(good))), self.without_doubles(units)

    def unexplained(self, known: Prefix, prefix: Prefix) -> Segments:
        """Return what the kinks of no known unit say of the layer after the prefix."""
        if known is not prefix:
            return self.pool.solved(known, prefix, self.pool.sweeps)
        key = tuple(prefix.layers)
        kept, count = self.kept.get(key, (None, 0))
        if count < len(self.pool.sweeps):
            more = self.pool.solved(prefix, prefix, self.pool.sweeps[count:])
            kept = more if kept is None else kept.joined(more)
            self.kept = {k: v for k, v in self.kept.items() if k == key[: len(k)]}
            self.kept[key] = (kept, len(self.pool.sweeps))
        assert kept is not None
        return kept

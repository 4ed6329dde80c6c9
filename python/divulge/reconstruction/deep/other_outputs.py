"""A last layer of whole rows behind outputs that were not searched: units they add, or show better."""

from __future__ import annotations

from collections.abc import Callable

from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.layer_by_layer import DeepSearch
from divulge.reconstruction.deep.positive_features import lines_among
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.sharpen_behind import has_weak, sharpened_behind
from divulge.reconstruction.deep.whole_rows import more_rows
from divulge.reconstruction.settings import LAYERS


def seen_behind(search: DeepSearch, probe: Probe, fit: DeepFit) -> DeepFit | None:
    """Add what an output shows of a last layer of whole rows; return the fit, None where that is nothing.

    Args:
        search: of the first output.
        probe: of the output.
        fit: of the first output.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    free = free_features(search, fit)
    found = None if free is None else more_rows(probe, free, search.lines, search.confirmed[1])
    return None if found is None else taken(search, fit, search.units.without_doubles(found))


def sharpened(search: DeepSearch, probe_at: Callable[[int], Probe], fit: DeepFit) -> DeepFit | None:
    """Measure weak units of a last layer of whole rows again; return the fit, None where none is weak.

    Args:
        search: of the first output.
        probe_at: what asks an output, by its place in the fit.
        fit: of all outputs.

    Raises:
        Stopped: an oracle can be asked no further.
    """
    weak = search.probe.rounded or has_weak(fit.layer.weights)
    free = free_features(search, fit) if weak else None
    if free is None or len(fit.layer) != len(search.confirmed[1]):
        return None
    lines = lines_among(free, search.probe, search.lines)
    return taken(search, fit, sharpened_behind(probe_at, search.confirmed[1], fit.layer.weights, lines))


def free_features(search: DeepSearch, fit: DeepFit) -> FreeLayer | None:
    """Return the first layer, behind which a fit has whole rows; None where it has not."""
    if not search.seen_whole(fit) or len(search.confirmed) < 2:
        return None
    return FreeLayer.of(fit.prefix, search.lines.domain, search.lines.samples(LAYERS.samples))


def taken(search: DeepSearch, fit: DeepFit, units: Candidates) -> DeepFit | None:
    """Fit the first output on units of the last layer; keep and return that where it is explained."""
    grown = search.as_last(fit.prefix, units)
    if grown.error > search.enough:
        return None
    search.confirmed[1], search.best = units, grown
    return grown

"""How far a copy is from its victim: parameter by parameter, and output by output."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.comparison.canonical import CanonicalForm, canonical_form
from divulge.comparison.filterwise import FilterComparison, match_filters
from divulge.comparison.flat_rows import of_flat_rows
from divulge.comparison.image_layers import image_network
from divulge.comparison.layerwise import LayerComparison, Match, effective_units, match_layers
from divulge.html import ShownAsTable, shown
from divulge.oracles.domain import as_box
from divulge.training.class_scores import named_classes
from divulge.victims import Victim
from divulge.victims.affine import HiddenLayers, OneHiddenLayer
from divulge.victims.lowering import hidden_layers, one_hidden_layer

if TYPE_CHECKING:
    import pandas as pd

    from divulge.oracles.base import Domain
    from divulge.points import Points

_SAMPLE = 10_000
# Two units of a victim are one where their hyperplanes agree to a few roundings.
_MERGE = {torch.float32: 1e-5, torch.float64: 1e-12}


class HoldsModule(Protocol):
    """A result that carries its copy, such as a Reconstruction."""

    @property
    def module(self) -> nn.Module:
        """The copy."""


@dataclass(frozen=True)
class Comparison(ShownAsTable):
    """A copy against its victim; made by `compare`.

    Attributes:
        hidden_sizes: units of every hidden layer of the copy, or None where it is no network of hidden ReLU
            layers, dense or convolutions, in a row.
        hidden_sizes_true: those of the victim, dead and doubled units too, or None likewise.
        layers: copy and victim layer by layer from the input on, as many layers as both have; empty where one
            of them is no such network, but for layers in front of sums and the like in networks of images.
        hidden_units_effective: the victim's units that its function shows: units that are never active behind
            the first layer and dead ones of the last layer are left out, units of the last layer with one
            hyperplane count once.
        units_folded: those of these that switch nowhere inside the domain given: there they are part of the
            affine part. None without a domain, or where the victim does not have one hidden layer.
        units_matched: how many of the victim's units the copy has, over all layers, with the same hyperplane
            to 1e-3.
        max_parameter_error: max|theta - theta^| over rows, offsets, output weights, bias and affine part in
            canonical form; None where the two are not equally deep, or a layer before the last has a unit
            without a partner.
        max_output_error: max|f - f^| over the given points and all outputs; a sample, no bound over all x.
        output_range: largest minus smallest output of the victim on these points.
        output_std: standard deviation of the victim's outputs about each output's mean.
        agreement: the share of these points on which copy and victim name the same class, in [0, 1]; with one
            output the class is its sign, or that of p - .5 where the victim's output is a probability p.
        points: how many points were given.
        matches: (unit of the victim, unit of the copy) for each pair of the first hidden layers with the same
            hyperplane, as indices into the networks' own layers; none where there are convolutions.
        filters: the victim's convolutions filter by filter, as far as `layers` goes.
        notes: where layers of images' networks are not the same, or are not compared, in words.
    """

    hidden_sizes: tuple[int, ...] | None
    hidden_sizes_true: tuple[int, ...] | None
    layers: tuple[LayerComparison, ...]
    hidden_units_effective: int | None
    units_folded: int | None
    units_matched: int | None
    max_parameter_error: float | None
    max_output_error: float
    output_range: float
    output_std: float
    agreement: float
    points: int
    matches: tuple[tuple[int, int], ...] = field(repr=False)
    filters: tuple[FilterComparison, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def hidden_units(self) -> int | None:
        """The copy's hidden units over all layers, or None."""
        return None if self.hidden_sizes is None else sum(self.hidden_sizes)

    @property
    def hidden_units_true(self) -> int | None:
        """The victim's hidden units over all layers, or None."""
        return None if self.hidden_sizes_true is None else sum(self.hidden_sizes_true)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each hidden layer that both have."""
        import pandas as pd

        names = [field.name for field in fields(LayerComparison)]
        rows = [(k, *astuple(layer)) for k, layer in enumerate(self.layers, 1)]
        return pd.DataFrame(rows, columns=["layer", *names])

    def filters_to_frame(self) -> pd.DataFrame:
        """Return a row for each filter of the victim's convolutions."""
        import pandas as pd

        names = [field.name for field in fields(FilterComparison)]
        table = pd.DataFrame([astuple(each) for each in self.filters], columns=names)
        return table.astype({"copys_filter": "Int64", "filter_error": float, "bias_error": float})

    def _repr_html_(self) -> str:
        table = super()._repr_html_()
        return table + shown("filters", {}, self.filters_to_frame()) if self.filters else table

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        names = ("max_parameter_error", "max_output_error", "agreement", "points")
        return {name.replace("_", " "): getattr(self, name) for name in names}


def compare(
    copy: nn.Module | HoldsModule,
    victim: Victim,
    data: Points | None = None,
    *,
    tolerance: float = 1e-3,
    domain: Domain | None = None,
) -> Comparison:
    """Compare a copy with its victim.

    Parameters are compared in canonical form: rows a_i of norm 1, their factors moved outwards into w_i,
    units matched by the Hungarian method on (a_i, b_i, w_i). Dead units go into the bias, units with one
    hyperplane are merged. A unit's sign is not always determined: w max(z, 0) = w z + w max(-z, 0), so a
    copy with an affine part may hold the turned unit. Matched units are therefore given the victim's sign
    first, what that takes goes into the copy's affine part, and the affine parts are compared with the
    rest. A copy with one wrong sign and no affine part to make up for it shows it there.

    Networks of several hidden layers are compared from the input on: each layer's rows in the features of the
    layer before, put in the order and the scale in which that layer was matched. What is said of signs holds
    for the last layer; in those before it a turned unit is found, but an error of its whole row.

    Networks of images (convolutions, poolings, dense layers behind, in a row) are compared filter by filter:
    a filter of norm 1 and its bias, in the order and the scale in which the channels before were matched.
    Batch norm is folded into the convolution before or behind it, an average into a dense layer behind it,
    groups and dilation are written out with zeros. The first layer that the two do not have in common ends
    that, and so do sums of several layers; `notes` says where and why.

    Args:
        copy: a module from (n, d) or (n, *input_shape) to (n, K), or a Reconstruction that holds one. A
            Reconstruction from probabilities knows its logits up to a function added to all of them: log-odds
            against class 0 are compared then, of outputs and parameters both; so they are where one of copy
            and victim tells two classes by one logit, the other by two.
        victim: the model that was copied.
        data: points, shape (n, d) or (n, *input_shape); by default 10,000 standard normal ones, always the
            same.
        tolerance: how near two hyperplanes count as the same, for `units_matched` and `matches` alone.
        domain: the box that queries were confined to, as (low, high), for `units_folded` alone.

    Raises:
        UnsupportedModel: the copy takes neither rows nor the victim's inputs, or is none of (n, K).
        ValueError: the points, or the copy's answers to them, have another shape; there are no points; an
            output is not finite; or the domain is empty.
    """
    module = of_flat_rows(copy if isinstance(copy, nn.Module) else copy.module, victim)
    points = _points(victim, data)
    true, found = victim.values(points), Victim(module, (victim.input_size,), lower=False).values(points)
    _check_finite("the victim", true)
    _check_finite("the copy", found)
    mixed = {true.shape[1], found.shape[1]} == {1, 2} and not victim.tells_probabilities
    odds = mixed or getattr(copy, "kind", None) == "probability"
    if odds:
        true, found = _log_odds(true), _log_odds(found)
    if true.shape != found.shape:
        raise ValueError(f"expected a copy with {true.shape[1]} outputs, got {found.shape[1]}")
    units = _compare_units(module, victim, tolerance, odds)
    threshold = victim.threshold
    return Comparison(
        **units,
        units_folded=_units_folded(victim, domain),
        max_output_error=float(np.abs(true - found).max()),
        output_range=float(true.max() - true.min()),
        output_std=float((true - true.mean(axis=0)).std()),
        agreement=float((named_classes(true, threshold) == named_classes(found, threshold)).mean()),
        points=len(points),
    )


def _check_finite(whose: str, values: Array) -> None:
    """Raise ValueError where outputs (n, K) hold NaN or infinity."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        point, output = bad[0]
        value = values[point, output]
        raise ValueError(f"expected finite outputs, output {output} of {whose} is {value} at point {point}")


def _compare_units(module: nn.Module, victim: Victim, tolerance: float, odds: bool) -> dict[str, Any]:
    """The fields of a Comparison that need the hidden layers."""
    ours = hidden_layers(module, (victim.input_size,))
    theirs = hidden_layers(victim.module, victim.input_shape)
    sizes = {"hidden_sizes": _sizes(ours), "hidden_sizes_true": _sizes(theirs)}
    nothing = {"units_matched": None, "max_parameter_error": None, "matches": ()}
    if theirs is None or ours is None:
        filterwise = _compare_filters(module, victim, tolerance, odds)
        if filterwise is not None:
            return filterwise
    if theirs is None:
        return {**sizes, **nothing, "layers": (), "hidden_units_effective": None}
    effective = effective_units(theirs, _MERGE[victim.dtype])
    if ours is None:
        return {**sizes, **nothing, "layers": (), "hidden_units_effective": effective}
    if odds:
        ours, theirs = (replace(net, last=_log_odds_of(net.last)) for net in (ours, theirs))
    equally_deep = len(ours.inner) == len(theirs.inner)
    matches = match_layers(ours, theirs, tolerance, _MERGE[victim.dtype])
    return {
        **sizes,
        "layers": _layers(ours, theirs, matches),
        "hidden_units_effective": effective,
        "units_matched": sum(len(match.mine) for match in matches),
        "max_parameter_error": _parameter_error(matches) if equally_deep else None,
        "matches": _pairs(matches[0]),
    }


def _compare_filters(
    module: nn.Module, victim: Victim, tolerance: float, odds: bool
) -> dict[str, Any] | None:
    """The same fields of networks of images; None where neither has a convolution that can be read."""
    ours = image_network(module, (victim.input_size,))
    theirs = image_network(victim.module, victim.input_shape)
    if not (ours.convolutional or theirs.convolutional):
        return None
    found = match_filters(ours, theirs, tolerance, odds)
    return {
        "hidden_sizes": ours.sizes,
        "hidden_sizes_true": theirs.sizes,
        "layers": found.layers,
        "hidden_units_effective": found.effective,
        "units_matched": sum(layer.units_matched for layer in found.layers),
        "max_parameter_error": found.max_parameter_error,
        "matches": (),
        "filters": found.filters,
        "notes": found.notes,
    }


def _layers(
    ours: HiddenLayers, theirs: HiddenLayers, matches: tuple[Match, ...]
) -> tuple[LayerComparison, ...]:
    """Say of every layer how many units it has and how the matched ones agree."""
    layers = zip(theirs.sizes, ours.sizes, matches, strict=False)
    return tuple(
        LayerComparison(true, found, len(match.mine), match.row_error) for true, found, match in layers
    )


def _parameter_error(matches: tuple[Match, ...]) -> float | None:
    """The largest error over all layers, or None where one of them has no error to tell."""
    errors = [match.error for match in matches if match.error is not None]
    return max(errors) if len(errors) == len(matches) else None


def _pairs(match: Match) -> tuple[tuple[int, int], ...]:
    """(unit of the victim, unit of the copy) of one layer."""
    return tuple(sorted(zip(match.theirs.tolist(), match.mine.tolist(), strict=True)))


def _units_folded(victim: Victim, domain: Domain | None) -> int | None:
    """Count the victim's units whose hyperplane misses the inside of a box."""
    box = as_box(domain, victim.input_size)
    net = None if box is None else one_hidden_layer(victim.module, victim.input_shape)
    if box is None or net is None:
        return None
    units = _canonical(net, victim)
    middle = units.offsets + units.rows @ ((box.low + box.high) / 2)
    reach = np.abs(units.rows) @ ((box.high - box.low) / 2)
    return int((np.abs(middle) >= reach).sum())


def _sizes(net: HiddenLayers | None) -> tuple[int, ...] | None:
    """Return the number of units of every hidden layer, or None."""
    return None if net is None else net.sizes


def _canonical(net: OneHiddenLayer, victim: Victim) -> CanonicalForm:
    """Return a network's canonical form, to the victim's precision."""
    return canonical_form(net, _MERGE[victim.dtype])


def _points(victim: Victim, data: Points | None) -> Array:
    """Return the points to compare on, as the victim sees them: rounded to its precision."""
    if data is None:
        data = np.random.default_rng(0).standard_normal((_SAMPLE, victim.input_size))
    points = victim.as_points(data)
    if not len(points):
        raise ValueError(f"expected at least one point to compare on, got shape {points.shape}")
    return points.astype(np.float64, copy=False)


def _log_odds(values: Array) -> Array:
    """Return logits (n, K) less the first of them; a single one is that of class 1 against 0."""
    return values - values[:, :1] if values.shape[1] > 1 else np.column_stack([0 * values, values])


def _log_odds_of(net: OneHiddenLayer) -> OneHiddenLayer:
    """Return the network of `_log_odds`."""
    outputs, affine, bias = (_log_odds(part.T).T for part in (net.outputs, net.affine, net.bias[:, None]))
    return OneHiddenLayer(net.rows, net.offsets, outputs, affine, bias[:, 0])

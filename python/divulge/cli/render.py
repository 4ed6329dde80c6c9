"""The outcome of a reconstruction as a table or as one JSON object."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from divulge.comparison import Comparison, FilterComparison
from divulge.comparison.layerwise import LayerComparison

if TYPE_CHECKING:
    from divulge.reconstruction import Reconstruction


@dataclass(frozen=True)
class Report:
    """What there is to say about one reconstruction.

    Attributes:
        title: the victim, and what it was compared on.
        result: what the attack returned.
        comparison: the copy against the victim.
        lowered: whether the native network answered.
        seconds: duration of the attack.
    """

    title: str
    result: Reconstruction
    comparison: Comparison
    lowered: bool
    seconds: float


def print_json(report: Report) -> None:
    """Print one JSON object on standard output; what is unknown, NaN or infinite is null."""
    result, comparison = report.result, report.comparison
    fields: dict[str, Any] = {
        "hidden_units": result.hidden_units,
        "hidden_units_true": comparison.hidden_units_true,
        "queries": result.queries,
        "queries_by_kind": dict(result.queries_by_kind),
        "numbers_per_parameter": result.numbers_per_parameter,
        "replayed": result.replayed,
        "certificate": result.certificate.error,
        "fresh_answers": result.certificate.answers,
        "max_parameter_error": comparison.max_parameter_error,
        "max_output_error": comparison.max_output_error,
        "agreement": comparison.agreement,
        "seconds": report.seconds,
        "lowered": report.lowered,
        "seed": result.seed,
        "complete": result.complete,
        "hidden_sizes": result.hidden_sizes if comparison.hidden_sizes is None else comparison.hidden_sizes,
        "hidden_sizes_true": comparison.hidden_sizes_true,
        "unit_kinds": result.unit_kinds,
        "layers": [
            {**asdict(layer), "queries": queries}
            for layer, queries in zip_longest(comparison.layers, result.queries_by_layer)
            if layer is not None
        ],
        "filters": [asdict(each) for each in comparison.filters],
        "differences": comparison.notes,
    }
    write_json(fields)


def print_table(report: Report) -> None:
    """Print the table on standard output."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _rows(report):
        table.add_row(name, value)
    console = Console(highlight=False)
    console.print(report.title)
    console.print(table)
    console.print(f"certificate: {report.result.certificate}", markup=False, soft_wrap=True)
    for sentence in report.comparison.notes:
        console.print(f"compared: {sentence}", markup=False, soft_wrap=True)
    for note in report.result.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def show(report: dict[str, Any], as_json: bool, print_table: Callable[[dict[str, Any]], None]) -> None:
    """Print what a command found on standard output: as one JSON object, or as its table."""
    if as_json:
        write_json(report)
    else:
        print_table(report)


def write_json(report: dict[str, Any]) -> None:
    """Write one JSON object on standard output, with null for numbers that are NaN or infinite."""
    sys.stdout.write(json.dumps(_finite(report), allow_nan=False) + "\n")


def print_note(sentence: str) -> None:
    """Print one sentence on standard error."""
    sys.stderr.write(f"divulge: {sentence}\n")


def _rows(report: Report) -> list[tuple[str, str]]:
    """Names and values of the table's rows."""
    result, comparison = report.result, report.comparison
    return [
        ("hidden units found", _units(result.hidden_units, comparison)),
        *_layer_rows(result, comparison),
        *([("units are", ", ".join(result.unit_kinds))] if set(result.unit_kinds) - {"ReLU"} else []),
        ("queries", f"{result.queries:,}"),
        *([("  of these from the checkpoint", f"{result.replayed:,}")] if result.replayed else []),
        ("queries per unit", _ratio(result.queries, result.hidden_units)),
        ("numbers per parameter", f"{result.numbers_per_parameter:.1f}"),
        ("certificate", _number(result.certificate.error)),
        ("max|theta - theta^|", _number(comparison.max_parameter_error)),
        ("max|f - f^|", _number(comparison.max_output_error)),
        ("agreement", f"{100 * comparison.agreement:.2f}%"),
        ("answered by", "native network" if report.lowered else "torch"),
        ("seconds", f"{report.seconds:.2f}"),
    ]


def _layer_rows(result: Reconstruction, comparison: Comparison) -> list[tuple[str, str]]:
    """One row a hidden layer, where copy or victim has several."""
    found, true = comparison.hidden_sizes or (), comparison.hidden_sizes_true or ()
    if max(len(found), len(true), len(comparison.layers)) < 2 and not comparison.filters:
        return []
    rows = []
    for k, (layer, size, size_true) in enumerate(zip_longest(comparison.layers, found, true), 1):
        if layer is None and true:
            layer = LayerComparison(size_true or 0, size or 0, 0, None)
        text = str(size) if layer is None else _layer(layer)
        cost = "".join(f", {queries:,} queries" for queries in result.queries_by_layer[k - 1 : k])
        rows.append((f"  hidden layer {k}", text + cost))
        filters = [each for each in comparison.filters if each.layer == k]
        rows += [("    its filters", _filters(filters))] if filters else []
    return rows


def _filters(filters: list[FilterComparison]) -> str:
    """The largest error of a filter and of a bias, of those that have a partner."""
    paired = [each for each in filters if each.filter_error is not None and each.bias_error is not None]
    words = f"{len(paired)} of {len(filters)} paired"
    if not paired:
        return words
    errors = (max(getattr(each, name) for each in paired) for name in ("filter_error", "bias_error"))
    return words + ", worst filter error {:.1e}, bias error {:.1e}".format(*errors)


def _layer(layer: LayerComparison) -> str:
    """The victim's units found in one layer, and how well."""
    units = f"{layer.units_matched} of {layer.units_true}"
    if layer.units_found != layer.units_matched:
        units += f" ({layer.units_found} in the copy)"
    return units if layer.max_row_error is None else f"{units}, worst row error {layer.max_row_error:.1e}"


def _units(found: int, comparison: Comparison) -> str:
    """Units found of those there are, with what else there is to say about them."""
    true, effective = comparison.hidden_units_true, comparison.hidden_units_effective
    if true is None:
        return str(found)
    remarks = []
    if effective != true:
        remarks.append(f"{effective} can be told apart")
    if comparison.units_folded:
        remarks.append(
            f"{comparison.units_folded} switch nowhere inside the domain: folded into the affine part"
        )
    if comparison.units_matched not in (None, found):
        remarks.append(f"{comparison.units_matched} of the found ones match")
    return f"{found} of {true}" + (f" ({', '.join(remarks)})" if remarks else "")


def _ratio(queries: int, units: int) -> str:
    """Queries per unit."""
    return f"{queries / units:.2f}" if units else "-"


def _number(value: float | None) -> str:
    """A small number, or a dash where there is none."""
    return "-" if _finite(value) is None else f"{value:.1e}"


def _finite(value: Any) -> Any:
    """Return the value with None in the place of every number, however deep, that is NaN or infinite."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

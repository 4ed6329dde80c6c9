"""Asking about one output's SHAP values within a box, and keeping what was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.attributions.from_values import Shap
from divulge.oracles import Oracle
from divulge.points import as_matrix

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.points import Points

DECIMALS = 8  # of values that are taken for rounded ones
SUMS = 1e-5  # relative difference of base values that add up alike: those of float32 margins stay below 2e-6

DOUBLE = (
    "answers tell numbers apart that float32 does not: thresholds are known to float32 alone; pass "
    "single=False"
)

Ranges = tuple["Points | float", "Points | float"]


@dataclass
class ShapSession:
    """What was asked of an oracle and told.

    Attributes:
        oracle: tells SHAP values.
        low, high: the box asked about, shape (d,) each.
        output: which output.
        single: whether the model reads its inputs in float32.
        bases: of each answer the value less its SHAP values; empty where values are not told.
        scale: the largest value, or sum of sizes of SHAP values, told.
        decimals: as many as all SHAP values told have; more than `DECIMALS` where these are not rounded.
    """

    oracle: Oracle
    low: Array
    high: Array
    output: int
    single: bool
    bases: list[float] = field(default_factory=list)
    scale: float = 0.0
    decimals: int = 0

    def __post_init__(self) -> None:
        self.before = self.oracle.ledger.total

    @property
    def additive(self) -> bool:
        """Whether explanations add up to the values; of others the values beside them are taken."""
        return isinstance(self.oracle.attribution, Shap)

    @property
    def queries(self) -> int:
        """Answers so far."""
        return self.oracle.ledger.total - self.before

    @property
    def base(self) -> float:
        """The value that SHAP values add up from; NaN where values are not told."""
        return float(np.median(self.bases)) if self.bases else float("nan")

    def ask(self, points: Array) -> Array:
        """Return SHAP values (n, d) of points (n, d), which `read` has rounded; or values and zeros."""
        named = self.output if self.oracle.names_outputs else None
        answers = self.oracle.explain(points, named)
        if not self.additive:
            assert answers.values is not None
            self.scale = max(self.scale, float(np.abs(answers.values).max(initial=0.0)))
            self.bases.append(0.0)
            return np.pad(answers.values[:, None], ((0, 0), (0, points.shape[1] - 1)))
        assert answers.explanations is not None
        told = answers.explanations
        while self.decimals <= DECIMALS and not np.array_equal(told, told.round(self.decimals)):
            self.decimals += 1
        self.scale = max(self.scale, float(np.abs(told).sum(axis=1).max(initial=0.0)))
        if answers.values is not None:
            self.scale = max(self.scale, float(np.abs(answers.values).max(initial=0.0)))
            self.bases += (answers.values - told.sum(axis=1)).tolist()
        return told

    def read(self, numbers: Array) -> Array:
        """Return numbers (n, d) as the model reads them, within the oracle's domain."""
        if not self.single:
            return np.array(numbers, np.float64)
        held = numbers.astype(np.float32)
        if self.oracle.domain is None:
            return held.astype(np.float64)
        low, high = self.oracle.domain
        held = np.where(held < low, np.nextafter(held, np.float32(np.inf)), held)
        held = np.where(held > high, np.nextafter(held, np.float32(-np.inf)), held)
        return np.clip(held.astype(np.float64), low, high)

    def coarse(self) -> list[str]:
        """What to say where all SHAP values have few decimals."""
        if not 0 < self.decimals <= DECIMALS:
            return []
        return [
            f"no SHAP value has more than {self.decimals} decimals: where they were rounded, so is the copy"
        ]

    def off(self) -> str | None:
        """What to say where values less their SHAP values are not one number."""
        spread = float(np.ptp(self.bases)) if self.bases else 0.0
        if spread <= SUMS * self.scale:
            return None
        return (
            f"values less the sums of their SHAP values differ by up to {spread:.2g}: they are rounded, or "
            "not of one output; values are known about so far"
        )


def finite_rows(oracle: Oracle, data: Dataset | None) -> Array | None:
    """Return the training inputs (n, d) without missing numbers, which cannot be asked about, if any."""
    if data is None:
        return None
    rows = as_matrix(data.train_inputs, oracle.input_size, data.input_shape)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows if len(rows) else None


def shap_session(
    oracle: Oracle,
    data: Dataset | None,
    ranges: Ranges | None,
    output: int | None,
    single: bool,
    *,
    values: bool = False,
) -> ShapSession:
    """Check an oracle, a box and an output, and begin; `values` beside other explanations may do.

    Raises:
        TypeError: the oracle is none, or tells no SHAP values.
        ValueError: neither data nor ranges, or ranges that are empty, not finite, of another length or
            outside the oracle's domain; or an output that there is not, or of which it does not tell.
    """
    enough = isinstance(oracle, Oracle) and (
        isinstance(oracle.attribution, Shap)
        or (values and oracle.has_values and oracle.has_explanations and not oracle.has_gradients)
    )
    if not enough:
        told = oracle.kind if isinstance(oracle, Oracle) else type(oracle).__name__
        raise TypeError(f"expected an oracle that tells SHAP values, got {told}")
    low, high = box_of(oracle, data, ranges)
    output = oracle.output if output is None else oracle._check_output(output)
    if output != oracle.output and not oracle.names_outputs:
        raise ValueError(f"expected output {oracle.output}, of which alone the oracle tells, got {output}")
    return ShapSession(oracle, low, high, output, single)


def box_of(oracle: Oracle, data: Dataset | None, ranges: Ranges | None) -> tuple[Array, Array]:
    """Return low and high, shape (d,) each."""
    if ranges is None and data is None:
        raise ValueError("expected data, or ranges=(low, high), to know where to ask")
    if ranges is None:
        assert data is not None
        inputs = as_matrix(data.train_inputs, oracle.input_size, data.input_shape)
        ranges = (inputs.min(axis=0), inputs.max(axis=0))
    low, high = (np.asarray(end, np.float64) for end in ranges)
    if any(end.shape not in {(), (oracle.input_size,)} for end in (low, high)):
        raise ValueError(f"expected ranges of {oracle.input_size} numbers, got {low.shape} and {high.shape}")
    low, high = (np.array(np.broadcast_to(end, (oracle.input_size,))) for end in (low, high))
    if not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        place = int(np.argmin(np.isfinite(low) & np.isfinite(high) & (low <= high)))
        raise ValueError(
            f"expected finite ranges, low to high, got {low[place]} to {high[place]} for number {place}"
        )
    if oracle.domain is not None:
        low, high = np.maximum(low, oracle.domain[0]), np.minimum(high, oracle.domain[1])
        if (low > high).any():
            place = int(np.argmax(low > high))
            raise ValueError(f"expected ranges inside the oracle's domain, number {place} lies outside of it")
    return low, high

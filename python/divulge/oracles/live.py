"""The oracle of an API that returns labels, probabilities or explanations, asked through a function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.methods import Attribution
from divulge.attributions.names import METHODS
from divulge.datasets.columns import plain, shown
from divulge.errors import OracleError
from divulge.oracles.answers import check_gradients
from divulge.oracles.base import Domain
from divulge.oracles.callable import CallableOracle, has_parameter
from divulge.oracles.explained import Answers
from divulge.oracles.journal import Settings
from divulge.points import host_array

_SUM = 1e-2  # how far probabilities that were rounded may be from adding up to 1


class LiveOracle(CallableOracle):
    """Asks a function of the caller's for what an API returns with a prediction; see `explain`.

    Args:
        fn: called as fn(points) with a float64 array of shape (n, d). It returns n labels of any type where
            labels are told; probabilities (n, K); or explanations (n, d), of one output. Where it has a
            parameter named output, explanations are asked for as fn(points, output=k), of any output.
        input_size: d.
        tells: "label", "probability", or an explanation: a name such as "shap" or "smoothgrad:samples=10", or
            one of `divulge.attributions`.
        classes: what the classes are called, in order; of probabilities by default numbers.
        output: which output explanations are of.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        calls: how it is called, kept and paid for: `batch`, `per_second`, `retries`, `backoff`, `retry_on`,
            `cache` and `price`, as in `CallableOracle`.

    Raises:
        ValueError: no such kind of answer, fewer than two classes, or one twice.
        TypeError: fn cannot be called, what is told is random, or there is no such option.
    """

    def __init__(
        self,
        fn: Callable[[Array], Any],
        input_size: int,
        *,
        tells: str | Attribution,
        classes: Sequence[Any],
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        **calls: Any,
    ) -> None:
        names = tuple(classes)
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"expected two classes or more, each once, got {shown(names)}")
        self.class_names = names
        self.explained: Attribution | None = None
        kind = str(tells)
        if tells not in ("label", "probability"):
            made = METHODS.make(tells) if isinstance(tells, str) else tells
            if not isinstance(made, Attribution):
                raise TypeError(f"expected label, probability or an explanation, got {tells!r}")
            self.explained, kind = made, made.name
        named = self.explained is not None and has_parameter(fn, "output")
        super().__init__(
            (lambda points, output: fn(points, output=output)) if named else (lambda points, _: fn(points)),  # type: ignore[call-arg]
            input_size,
            output_size=len(names),
            output=output,
            domain=domain,
            budget=budget,
            kind=kind,
            **calls,
        )
        self.has_values = self.has_gradients = False
        self.names_outputs = self.explained is None or named
        self.knows_top = self.explained is None or not named
        self._width = {"label": 1, "probability": len(names)}.get(kind, self.input_size)
        if self.explained is not None:
            self.attribution = self.explained

    @property
    def has_explanations(self) -> bool:
        """Whether explanations are told."""
        return self.explained is not None

    def _answer(self, points: Array, output: int) -> tuple[None, None]:
        return None, None

    def _about(self) -> Settings:
        """As of any function, the classes, of which answers hold the numbers, and what is told exactly."""
        # repr of any other object may hold its address, which the next process does not share
        told = repr(self.explained) if is_dataclass(self.explained) else None
        return {**super()._about(), "classes": repr(self.class_names), "explanation": told}

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        named = np.full(len(points), self.output) if outputs is None else outputs
        told = np.zeros((len(points), self._width))
        if self.explained is not None:
            self._check_named(named)
            for output in np.unique(named):
                rows = np.flatnonzero(named == output)
                told[rows] = self._told(points[rows], int(output))
            return Answers(points, named, explanations=told, attribution=self.attribution)
        if len(points):
            told = self._told(points, self.output)
        labels = np.asarray(told[:, 0] if self.kind == "label" else told.argmax(axis=1), np.intp)
        return Answers(points, labels, labels, probabilities=None if self.kind == "label" else told)

    def _told(self, points: Array, output: int) -> Array:
        return self._sent(lambda: self._fetched(points, output), len(points))

    def _check_named(self, outputs: Index) -> None:
        """Raise ValueError where explanations of outputs (n,) are asked for that are not told."""
        others = outputs[outputs != self.output]
        if len(others) and not self.names_outputs:
            raise ValueError(
                f"expected to be asked about output {self.output}, got {others[0]}: explanations of other "
                "outputs are told by a function with a parameter named output"
            )

    def _numbers(self, told: Any, n: int) -> Array:
        """Check what fn returned about n points; shape (n, 1), (n, K) or (n, d)."""
        if self.explained is not None:
            return check_gradients(host_array(told), n, self.input_size, name=f"explanations ({self.kind})")
        if self.kind == "label":
            return self._numbered(told, n)[:, None].astype(np.float64)
        return self._probabilities(told, n)

    def _numbered(self, told: Any, n: int) -> Index:
        """Numbers (n,) of labels of any type."""
        labels = [plain(label) for label in np.asarray(host_array(told), object).reshape(-1)]
        if len(labels) != n:
            raise OracleError(f"expected {n} labels, the oracle returned {len(labels)}")
        codes = {name: code for code, name in enumerate(self.class_names)}
        strange = [label for label in labels if not isinstance(label, Hashable) or label not in codes]
        if strange:
            raise OracleError(
                f"the oracle returned the label {strange[0]!r}, none of the classes {shown(self.class_names)}"
            )
        return np.array([codes[label] for label in labels], np.intp)

    def _probabilities(self, told: Any, n: int) -> Array:
        """Probabilities (n, K), brought to the sum 1 where they were rounded."""
        k = len(self.class_names)
        p = check_gradients(host_array(told), n, k, name="probabilities")
        if (p < 0).any() or np.abs(p.sum(axis=1) - 1).max(initial=0) > _SUM * k:
            row = int((np.abs(p.sum(axis=1) - 1) + 9 * (p < 0).any(axis=1)).argmax())
            raise OracleError(
                f"expected probabilities that add up to 1, the oracle returned {p[row]} for point {row}"
            )
        return np.asarray(p / p.sum(axis=1, keepdims=True))

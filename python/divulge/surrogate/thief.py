"""Learning a copy of a model from what its API answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.datasets.foreign import is_foreign
from divulge.oracles import Answers, Oracle
from divulge.oracles.ledger import whole
from divulge.surrogate.bits_told import BitsColumns
from divulge.surrogate.closed_form import is_linear, solved
from divulge.surrogate.gradient_span import GradientSpan
from divulge.surrogate.inputs import Inputs
from divulge.surrogate.losses import Weights
from divulge.surrogate.measure import Yardstick, as_targets
from divulge.surrogate.measure_numbers import NumbersYardstick, Unit, as_numbers, numbers_are_predicted
from divulge.surrogate.stolen import AGREEMENT, EXPLAINED, Stolen
from divulge.surrogate.train import chosen_weights, train
from divulge.training import network_by_name
from divulge.training.class_scores import OutputsAs, class_scores
from divulge.training.modes import copied
from divulge.training.scaled import in_one_unit, spread_of
from divulge.victims import Victim

if TYPE_CHECKING:
    from divulge.points import Points

STEPS = 2000
FIRST = 50  # queries before any is chosen
COUNTERFACTUALS = ("border", "clamped", "example")
DRAWN = 8  # inputs for each one that is chosen


def steal(
    oracle: Oracle,
    surrogate: str | nn.Module = "mlp",
    *,
    queries: int | Sequence[int],
    data: Dataset | Points | None = None,
    test: tuple[Points, Points | None] | None = None,
    inputs: str | None = None,
    output: int | None = None,
    victim: Victim | Index | Array | None = None,
    steps: int = STEPS,
    weights: Weights | None = None,
    counterfactuals: str = "border",
    bits: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stolen:
    """Train a copy of a victim on an oracle's answers.

    Args:
        oracle: what may be asked: labels, probabilities, values, gradients, or an explanation made of them.
        surrogate: a network by name, "linear", "mlp" (256 and 128 hidden units), "mlp:512x256", "cnn", or a
            module of your own, of which a copy is trained.
        queries: how many to ask; several numbers make a leak curve with a row for each, every row trained
            anew on the first so many answers.
        data: inputs like those the victim is for, shape (m, d) or (m, *input_shape), or a data set.
        test: inputs on which copy and victim are compared, and their classes or None. By default a data
            set's test part; otherwise nothing is compared.
        inputs: what is asked about: "data"; "gaussian", normal inputs with the data's mean and covariance;
            "mixed", by turns one and the other; "spread", the same with few data chosen so that they leave
            no gaps; "adaptive", what two surrogates disagree on. By default "mixed", without data
            "gaussian".
        output: the output explained; None: each input's top class. A linear surrogate names every output in
            turn, as does any where the oracle cannot tell the top class, such as a `CallableOracle`.
        victim: that copies are compared with, outside the oracle; by default the oracle's own, where it has
            one at hand. Or the classes that it names on the test inputs, shape (m,). Of a regression, or
            where the test's targets are numbers, agreement is the share of the variance explained.
        steps: of the training behind each row.
        weights: of the loss's terms; None: chosen on held-out answers.
        counterfactuals: what one is taken for: "border", half of each class on the border that it lies at;
            "clamped", the same only while the copy names the class that it left; "example", an input of
            its own class like any other.
        bits: an agreement, such as .95, at which each row also says how many bits the victim holds and how
            many of them the copy tells (`divulge.bits.bits_told`, some seconds a row); the victim and a data
            set must be at hand. None leaves the columns bits_held and bits_told out.
        seed: of every random choice.
        progress: called with the rows done and the number of all, after each.

    Raises:
        TypeError: `oracle` is no oracle, a number of queries or a class not whole, or bits are asked for
            without a data set and the victim.
        ValueError: copy and victim differ in the number of outputs, data or classes have another shape or
            range, an oracle's kind is one that no loss can use, or there is no query to ask; numbers are to
            be predicted and the oracle tells none, or the victim names classes.
        BudgetExhausted: the budget does not cover the queries; nothing was asked then.

    Source:
        After S. Milli, L. Schmidt, A. D. Dragan, M. Hardt, "Model Reconstruction from Model Explanations",
        2019; counterfactuals as examples are U. Aivodji, A. Bolot, S. Gambs, "Model extraction from
        counterfactual explanations", 2020, clamped P. Dissanayake, S. Dutta, "Model Reconstruction Using
        Counterfactual Explanations", 2024; the choice of inputs, and that a dense copy reads only the span of
        the gradients told, are our own.
    """
    thief = Thief(
        oracle,
        surrogate,
        data=data,
        test=test,
        inputs=inputs,
        output=output,
        victim=victim,
        counterfactuals=counterfactuals,
        bits=bits,
        seed=seed,
    )
    return thief.run(_counts(queries), steps, weights, progress)


class Thief:
    """One theft: the answers so far and the surrogates made of them.

    Attributes:
        oracle: what is asked.
        start: the untrained surrogate.
        input_shape: the shape of one input.
        inputs: draws queries.
        yardstick: the victim on test inputs, or None.
        asked: seconds spent in the oracle.
    """

    def __init__(
        self,
        oracle: Oracle,
        surrogate: str | nn.Module,
        *,
        data: Dataset | Points | None,
        test: tuple[Points, Points | None] | None,
        inputs: str | None,
        output: int | None,
        victim: Victim | Index | Array | None,
        counterfactuals: str,
        bits: float | None,
        seed: int,
    ) -> None:
        if not isinstance(oracle, Oracle):
            raise TypeError(f"expected an oracle such as GradientOracle, got {type(oracle).__name__}")
        self.oracle, self.output, self.seed = oracle, output, whole("a seed", seed)
        if counterfactuals not in COUNTERFACTUALS:
            known = ", ".join(COUNTERFACTUALS)
            raise ValueError(f"expected counterfactuals to be one of {known}, got {counterfactuals!r}")
        self.counterfactuals = counterfactuals
        _check_data(data)
        victim = getattr(oracle, "victim", None) if victim is None else victim
        if isinstance(data, Dataset) and test is None:
            if isinstance(victim, Victim) and victim.predicts_numbers:
                data = data.with_numbers()
            test = (data.test_inputs, data.test_targets)
        self.numbers = numbers_are_predicted(victim, None if test is None else test[1], oracle)
        if self.numbers and bits is not None:
            raise ValueError("expected a victim that names classes, bits are of these: numbers are predicted")
        self.bits = None if bits is None else BitsColumns(bits, victim, data, self.seed)
        self.input_shape = _input_shape(oracle, data)
        self.surrogate = surrogate
        self.table = data if isinstance(data, Dataset) and data.columns else None
        self.spread = spread_of(self.table)
        self.start = self._fresh(self.seed)
        if not any(parameter.requires_grad for parameter in self.start.parameters()):
            raise ValueError(
                f"expected a surrogate with parameters to train, {type(surrogate).__name__} has none"
            )
        self.classes = _outputs(self.start, self.input_shape)
        self.told = self.classes if oracle.output_size is None else oracle.output_size
        self._check_outputs()
        if inputs is None:
            inputs = "gaussian" if data is None else "mixed"
        self.adaptive = inputs == "adaptive"
        self.inputs = Inputs(
            None if data is None else self._points(data.train_inputs if isinstance(data, Dataset) else data),
            oracle.input_size,
            inputs,
            None if oracle.domain is None else tuple(map(torch.from_numpy, oracle.domain)),  # type: ignore[arg-type]
            torch.Generator().manual_seed(self.seed),
            self.table,
        )
        self.yardstick = None if test is None or victim is None else self._yardstick(victim, *test)
        self.linear = is_linear(self.start, self.input_shape)
        self.asked = 0.0

    def _yardstick(
        self, victim: Victim | Index | Array, inputs: Points, targets: Points | None
    ) -> Yardstick | NumbersYardstick:
        """Return the victim, or what it told, on test inputs."""
        points = self._points(inputs)
        if self.numbers:
            true = None if targets is None else as_numbers(targets, len(points))
            if isinstance(victim, Victim):
                return NumbersYardstick.of(victim, points, true)
            return NumbersYardstick(points, as_numbers(victim, len(points))[:, None], true, None)
        classes = max(2, victim.output_size if isinstance(victim, Victim) else self.told)
        known = None if targets is None else as_targets(targets, len(points), classes)
        if isinstance(victim, Victim):
            return Yardstick.of(victim, points, known)
        return Yardstick.of_classes(as_targets(victim, len(points), classes), points, known, self.told)

    def run(
        self,
        counts: list[int],
        steps: int,
        weights: Weights | None,
        progress: Callable[[int, int], None] | None,
    ) -> Stolen:
        """Ask and train for each number of queries in turn."""
        import pandas as pd

        remaining = self.oracle.ledger.remaining
        if remaining is not None and counts[-1] > remaining:
            self.oracle.ledger.charge(self.oracle.kind, counts[-1])  # raises BudgetExhausted
        rows: list[dict[str, Any]] = []
        answers, used, done = None, weights or Weights(), 0
        module, is_solved = self.start, False
        for count in counts:
            began = time.perf_counter()
            fresh = self.ask(count - done, done, answers, steps)
            answers = fresh if answers is None else Answers.join([answers, fresh])
            done = count
            module, is_solved, used = self.learn(answers, steps, weights)
            rows.append({"queries": count, **self._measured(module, answers), "solved": is_solved})
            if self.bits is not None:
                rows[-1] |= self.bits.of(module)
            rows[-1] |= {"victim_seconds": self.asked, "seconds": time.perf_counter() - began}
            if progress is not None:
                progress(len(rows), len(counts))
        curve, measure = pd.DataFrame(rows), EXPLAINED if self.numbers else AGREEMENT
        return Stolen(module, curve, counts[-1], self.oracle.kind, is_solved, used, self.seed, measure)

    def ask(self, n: int, done: int, answers: Answers | None, steps: int) -> Answers:
        """Ask n more queries; adaptive ones a few at first, then as many again as there are answers."""
        parts = [] if answers is None else [answers]
        asked = 0
        while asked < n:
            known = Answers.join(parts) if parts else None
            portion = min(n - asked, max(done + asked, FIRST)) if self.adaptive else n
            points = self.inputs.draw(portion)
            if self.adaptive and known is not None:
                points = self.disputed(self.inputs.draw(DRAWN * portion), portion, known, steps)
            parts.append(self._told(points, done + asked))
            asked += portion
        return Answers.join(parts[answers is not None :])

    def disputed(self, points: Tensor, n: int, answers: Answers, steps: int) -> Tensor:
        """Return the n points, of more, on which two surrogates name the classes most differently."""
        beliefs = []
        answers = Unit.of(answers, self.told).told(answers) if self.numbers else answers
        for twin in (1, 2):
            module = self._fresh(self.seed + twin)
            trained = train(
                OutputsAs(module, self.told),
                answers,
                self.input_shape,
                steps=max(1, steps // 4),
                weights=Weights(),
                seed=self.seed + twin,
                spread=self.spread,
                clamped=self.counterfactuals == "clamped",
            )
            with torch.no_grad():
                shaped = points.to(next(trained.parameters()).dtype).reshape(-1, *self.input_shape)
                told = trained(shaped)
                beliefs.append(told if self.numbers else class_scores(told).softmax(dim=1))
        return points[(beliefs[0] - beliefs[1]).abs().sum(dim=1).topk(n).indices]

    def _told(self, points: Tensor, done: int) -> Answers:
        """Ask about points; outputs are named in turn where copies are linear or no top class is told."""
        n = len(points)
        output: Any = self.output
        named = self.oracle.has_explanations and self.oracle.names_outputs and self.linear
        in_turn = named or not (self.oracle.knows_top or self.oracle.output_size is None)
        if output is None and self.told > 1 and in_turn:
            output = (done + np.arange(n)) % self.told
        began = time.perf_counter()
        told = self.oracle.explain(points.numpy(), output)
        self.asked += time.perf_counter() - began
        _check_teaches(told)
        return replace(told, beside=None) if self.counterfactuals == "example" else told

    def learn(self, answers: Answers, steps: int, weights: Weights | None) -> tuple[nn.Module, bool, Weights]:
        """Return the copy, whether it was solved for, and the weights it was trained with."""
        dtype = next(self.start.parameters()).dtype
        found = None
        if self.linear:
            found = solved(answers, self.input_shape, self.told, self.classes, dtype)
        if found is not None:
            return found, True, weights or Weights()
        unit = Unit.of(answers, self.told) if self.numbers else None
        answers = answers if unit is None else unit.told(answers)
        span = None if self.linear else GradientSpan.of(answers, self.start)
        start, shape = self.start, self.input_shape
        if span is not None:
            start, shape, answers = span.shrunk(start), (span.size,), span.told(answers)
        judged = OutputsAs(copied(start), self.told)
        clamped = self.counterfactuals == "clamped"
        same: dict[str, Any] = {"seed": self.seed, "spread": self.spread, "clamped": clamped}
        used = weights or chosen_weights(judged, answers, shape, steps=max(1, steps // 4), **same)
        trained = train(judged, answers, shape, steps=steps, weights=used, **same).module
        copy = trained if span is None else span.grown(trained)
        return (copy if unit is None else unit.undone(copy)), False, used

    def _measured(self, module: nn.Module, answers: Answers) -> dict[str, float]:
        """What the curve says of a copy, NaN where there is nothing to compare with."""
        if self.yardstick is None:
            return dict.fromkeys(("agreement", "accuracy", "gradient_cosine"), float("nan"))
        threshold = self.yardstick.threshold(answers) if self.told == 1 else 0.0
        return self.yardstick.measure(module, self.input_shape, threshold)

    def _points(self, points: Points) -> Tensor:
        """Return points as a float64 tensor (n, d)."""
        from divulge.points import as_matrix

        return torch.from_numpy(as_matrix(points, self.oracle.input_size, self.input_shape))

    def _fresh(self, seed: int) -> nn.Module:
        """The untrained surrogate; one of the maker's own keeps the parameters that it came with."""
        if isinstance(self.surrogate, nn.Module):
            return copied(self.surrogate)
        outputs = self.oracle.output_size or 1
        made = network_by_name(self.surrogate, self.input_shape, outputs, seed=seed, dtype=self.oracle.dtype)
        return in_one_unit(nn.Sequential(made), self.table) if self.table else made

    def _check_outputs(self) -> None:
        """Raise ValueError where copy and victim cannot be compared output by output."""
        expected = self.oracle.output_size
        two = {1, 2} if expected is not None and expected <= 2 else {expected}
        if expected is not None and self.classes not in two:
            raise ValueError(
                f"expected a surrogate with as many outputs as the victim, {expected}, got {self.classes}"
            )


def _counts(queries: int | Sequence[int]) -> list[int]:
    """Numbers of queries in rising order."""
    numbers: Sequence[int] = queries if isinstance(queries, Sequence) else [queries]
    counts = sorted({whole("a number of queries", number) for number in numbers})
    if not counts or counts[0] < 1:
        raise ValueError(f"expected at least one query, got {queries}")
    return counts


def _check_teaches(told: Answers) -> None:
    """Raise ValueError for explanations that a copy cannot make itself and that come alone."""
    alone = told.labels is None and told.values is None and told.probabilities is None
    if alone and told.attribution is not None and not told.attribution.imitable:
        raise ValueError(
            f"expected labels, values or probabilities beside {told.attribution.name}, got it alone: a copy "
            "cannot make the same"
        )


def _check_data(data: Dataset | Points | None) -> None:
    """Raise ValueError for data that are no array, such as a pair of inputs and classes.

    Raises TypeError for another library's data set.
    """
    if is_foreign(data):
        raise TypeError(
            "expected data that are inputs or a Dataset, such as read_data(source, target) makes of data of "
            f"your own, got {type(data).__name__}"
        )
    try:
        np.shape(0 if data is None or isinstance(data, Dataset) else data)
    except ValueError:
        raise ValueError(
            f"expected data that are inputs of one shape, or a Dataset, got a {type(data).__name__} of others"
        ) from None


def _input_shape(oracle: Oracle, data: Dataset | Points | None) -> tuple[int, ...]:
    """The shape of one input: the victim's, else the data's, else (d,)."""
    victim = getattr(oracle, "victim", None)
    if isinstance(victim, Victim) and len(victim.input_shape) > 1:
        return victim.input_shape
    shape = tuple(data.input_shape if isinstance(data, Dataset) else np.shape(data)[1:])  # type: ignore[arg-type]
    return shape if prod(shape) == oracle.input_size and shape else (oracle.input_size,)


def _outputs(module: nn.Module, shape: tuple[int, ...]) -> int:
    """K of the surrogate."""
    return int(Victim(copied(module), shape, lower=False).output_size)

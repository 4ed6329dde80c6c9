"""Oracles of APIs that explain by the packages lime and shap, as these come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.from_packages import ImageLime, TableLime, check_count
from divulge.attributions.from_values import Shap
from divulge.datasets import Dataset
from divulge.errors import UnsupportedModel
from divulge.oracles.attributed import AttributionOracle
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.probability import ProbabilityOracle
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.victims import Victim


class KernelShapOracle(AttributionOracle):
    """Answers with f_k(x) and KernelSHAP by the package shap: Shapley values from sampled coalitions.

    Args:
        victim: the model under study.
        background: what stands for a number that is left out: a number, one input (d,) or several (b, d).
        samples: coalitions an answer; all of them, and with that exact values, from 2^d - 2 on.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
        seed: of the coalitions, which are the same for the same batch of points.

    Raises:
        UnsupportedModel: the package shap is not installed.
        ValueError: no sample, or a background of another shape or not finite.

    Source:
        S. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", 2017.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        background: Any = 0.0,
        samples: int = 200,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
    ) -> None:
        check_count("coalition of KernelSHAP", samples)
        given = Shap(background)
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values, seed=seed)
        self.kind = "kernel_shap"
        self.samples, self._seed = samples, seed
        rows = given.rows(self.input_size)
        self._explainer = package("shap").KernelExplainer(victim.values, rows)

    def _attribute(self, points: Array, outputs: Index) -> Array:
        state = np.random.get_state()  # noqa: NPY002  the package draws from there
        np.random.seed(self._seed)  # noqa: NPY002
        try:
            told = np.asarray(
                self._explainer.shap_values(points, nsamples=self.samples, silent=True, l1_reg=0)
            )
        finally:
            np.random.set_state(state)  # noqa: NPY002
        told = told.reshape(*points.shape, -1)
        return np.asarray(told[np.arange(len(points)), :, outputs], np.float64)


class TableLimeOracle(AttributionOracle):
    """Answers with all probabilities and the package lime's explanation of class k's, for rows of a table.

    `query` has nothing to return: (None, None).

    Args:
        victim: the model under study, of which class probabilities are explained.
        data: like those the victim is for, a data set or an array (m, d): their spread and quartiles.
        samples: around each point.
        numbers: how many of an input are explained, those of the largest weights; others are 0. None: all.
        discretize: whether an explanation is of the quartile that each number lies in, as rules ("age > 30"),
            and not of its size.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns label and explanation alone.
        seed: of the samples.

    Raises:
        UnsupportedModel: the package lime is not installed, or the victim is a regression.
        ValueError: no sample or number, or data that are missing, not finite or of another shape.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        data: Any = None,
        samples: int = 1000,
        numbers: int | None = None,
        discretize: bool = False,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
    ) -> None:
        rows, names = _table(victim, data)
        spread = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
        given = TableLime(samples=samples, width=spread, discretize=bool(discretize))
        victim.check_names_classes()
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values)
        self.has_values, self._tells_probabilities = False, values
        self.output_size = max(2, victim.output_size)
        self.numbers = self.input_size if numbers is None else numbers
        check_count("number of LIME", self.numbers)
        self._probabilities = ProbabilityOracle(victim)
        self._explainer = package("lime.lime_tabular").LimeTabularExplainer(
            rows, feature_names=names, discretize_continuous=bool(discretize), random_state=seed
        )

    def rules(self, points: Any, output: int | None = None) -> list[list[tuple[str, float]]]:
        """Ask for explanations as an API words them: for each point texts and their weights, largest first.

        Raises:
            ValueError: as `query`.
            BudgetExhausted: as `query`.
        """
        matrix = self._admit(points)
        labels = self._top(matrix)
        named = labels if output is None else np.full(len(matrix), self._check_output(output))
        return [self._explained(x, int(k)).as_list(label=int(k)) for x, k in zip(matrix, named, strict=True)]

    def _top(self, points: Array) -> Index:
        return self.victim.classes(points)

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        labels = self._top(points)
        named = labels if outputs is None else outputs
        told = self._attribute(points, named) if len(points) else np.zeros(points.shape)
        p = self._probabilities._probabilities(points) if self._tells_probabilities else None
        return Answers(points, named, labels, None, p, told, self.attribution)

    def _explained(self, x: Array, output: int) -> Any:
        return self._explainer.explain_instance(
            x,
            self._probabilities._probabilities,
            labels=(output,),
            num_features=self.numbers,
            num_samples=self.attribution.samples,  # type: ignore[attr-defined]
        )

    def _attribute(self, points: Array, outputs: Index) -> Array:
        found = np.zeros(points.shape)
        for row, (x, k) in enumerate(zip(points, outputs, strict=True)):
            for number, weight in self._explained(x, int(k)).local_exp[int(k)]:
                found[row, number] = weight
        return found


class ImageLimeOracle(AttributionOracle):
    """Answers with f_k(x) and the package lime's explanation of an image: the weight of each pixel's segment.

    Args:
        victim: the model under study, of images (C, H, W) of 1 or 3 channels.
        samples: images with segments left out.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
        seed: of the segments and samples.

    Raises:
        UnsupportedModel: the package lime is not installed.
        ValueError: no sample, or inputs that are no such images.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        samples: int = 200,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            victim, ImageLime(samples), output=output, domain=domain, budget=budget, values=values
        )
        shape = self.input_shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise ValueError(f"expected images (C, H, W) of 1 or 3 channels, got inputs of shape {shape}")
        self.samples, self._seed = samples, seed
        self._image = package("lime.lime_image").LimeImageExplainer(random_state=seed)

    def _attribute(self, points: Array, outputs: Index) -> Array:
        channels = self.input_shape[0]
        found = np.zeros((len(points), *self.input_shape))
        for row, (x, k) in enumerate(zip(points, outputs, strict=True)):
            image = np.broadcast_to(
                np.moveaxis(x.reshape(self.input_shape), 0, -1), (*self.input_shape[1:], 3)
            )
            with redirect_stderr(StringIO()):  # the package draws a bar there
                told = self._image.explain_instance(
                    np.array(image, np.float64),
                    self._values_of(channels),
                    labels=(int(k),),
                    top_labels=None,
                    num_samples=self.samples,
                    random_seed=self._seed,
                )
            for segment, weight in told.local_exp[int(k)]:
                found[row][:, told.segments == segment] = weight
        return found.reshape(len(points), -1)

    def _values_of(self, channels: int) -> Callable[[Any], Array]:
        """What images (n, H, W, 3) are answered with."""

        def values(images: Any) -> Array:
            shown = np.moveaxis(np.asarray(images, np.float64)[..., :channels], -1, 1)
            return self.victim.values(shown.reshape(len(shown), -1))

        return values


def package(name: str) -> Any:
    """Return a module of an optional package.

    Raises:
        UnsupportedModel: it is not installed.
    """
    first = name.partition(".")[0]
    try:
        return import_module(name)
    except ImportError as error:
        raise UnsupportedModel(
            f"this explanation needs the package {first}: pip install divulge[{first}]"
        ) from error


def _table(victim: Victim, data: Any) -> tuple[Array, list[str] | None]:
    """Rows (m, d) and the columns' names, where they have some."""
    if data is None:
        raise ValueError("expected data= for lime_tabular, rows like those the victim is for")
    inputs = data.train_inputs if isinstance(data, Dataset) else data
    rows = as_matrix(inputs, victim.input_size, tuple(victim.input_shape))
    check_finite(rows)
    columns = data.columns if isinstance(data, Dataset) else ()
    return rows, [str(column.name) for column in columns] or None

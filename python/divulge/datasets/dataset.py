"""A data set: inputs with their classes or numbers, in a training and a test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from divulge.arrays import Array
from divulge.datasets.columns import Column, shown

if TYPE_CHECKING:
    import pandas as pd


def are_numbers(targets: Any) -> bool:
    """Whether targets (n,) are floats that are predicted: of 0 and 1 alone they are classes."""
    from divulge.points import host_array

    found = np.asarray(host_array(targets))
    return found.dtype.kind == "f" and not np.isin(found, (0, 1)).all()


@dataclass(frozen=True)
class Dataset:
    """Inputs with their classes, split into a training and a test part.

    Attributes:
        name: the name under which `load` knows it.
        train_inputs: images float32 in [0, 1], shape (n, channels, height, width); a table's rows float64,
            shape (n, columns).
        train_targets: classes as int64, or the numbers that a regression predicts as float64, shape (n,).
        test_inputs: as the training inputs, m of them.
        test_targets: as the training targets, shape (m,).
        columns: of a table, one for each number of an input.
        class_names: what class 0, 1, ... is called, of any type; empty where they are but numbers.
    """

    name: str
    train_inputs: torch.Tensor
    train_targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    columns: tuple[Column, ...] = ()
    class_names: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        parts = f"{len(self.train_inputs):,} inputs to train on, {len(self.test_inputs):,} to test on"
        names = ", ".join(str(column.name) for column in self.columns[:5])
        more = ", ..." if len(self.columns) > 5 else ""
        columns = f", columns {names}{more}" if names else ""
        told = "numbers as targets" if self.numbers else f"{self.classes} classes"
        return f"Dataset({self.name!r}, {parts}, shape {self.input_shape}{columns}, {told})"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def classes(self) -> int:
        """The number of classes.

        Raises:
            ValueError: the targets are numbers.
        """
        if self.numbers:
            raise ValueError(f"expected classes, the targets of {self.name} are numbers that are predicted")
        return len(self.class_names) or int(self.train_targets.max()) + 1

    @property
    def numbers(self) -> bool:
        """Whether the targets are numbers that a regression predicts, and no classes."""
        return are_numbers(self.train_targets)

    def frame(self, points: Array) -> pd.DataFrame:
        """Return points (n, d) as rows of the table, words and whole numbers where it has them.

        Raises:
            ValueError: the data are no table.
        """
        import pandas as pd

        if not self.columns:
            raise ValueError(f"{self.name} is no table")
        made = {column.name: column.decode(points[:, i]) for i, column in enumerate(self.columns)}
        return pd.DataFrame(made, columns=[column.name for column in self.columns])

    def snap(self, points: Array) -> Array:
        """Return the nearest points (n, d) that are rows of such a table; of other data the points."""
        if not self.columns:
            return points
        return np.column_stack([column.snap(points[:, i]) for i, column in enumerate(self.columns)])

    def with_numbers(self) -> Dataset:
        """Return the same with the numbers that classes are called as targets, as a regression predicts.

        Raises:
            ValueError: one is called by what is no number.
        """
        if self.numbers:
            return self
        names = self.class_names or range(self.classes)
        for name in names:
            if not isinstance(name, (int, float, np.number)):
                raise ValueError(
                    f"expected numbers as targets of {self.name}, which are predicted, got {name!r}"
                )
        values = torch.tensor([float(name) for name in names], dtype=torch.float64)
        return replace(
            self,
            train_targets=values[self.train_targets],
            test_targets=values[self.test_targets],
            class_names=(),
        )

    def with_classes(self, names: Sequence[Any]) -> Dataset:
        """Return the same with classes numbered as in a list of their names.

        Raises:
            ValueError: a class of the data is not in the list, which is named, or targets are numbers.
        """
        if self.numbers:
            raise ValueError(
                f"the model names classes, {shown(tuple(names))}, and targets of {self.name} are numbers; "
                'kinds={target: "categorical"} reads them as classes'
            )
        if not self.class_names or tuple(names) == self.class_names:
            return self
        known = {name: code for code, name in enumerate(names)}
        strange = next((name for name in self.class_names if name not in known), None)
        if strange is not None:
            raise ValueError(
                f"the data's class {strange!r} is none of the model's, which are {shown(tuple(names))}"
            )
        codes = torch.tensor([known[name] for name in self.class_names])
        return replace(
            self,
            train_targets=codes[self.train_targets],
            test_targets=codes[self.test_targets],
            class_names=tuple(names),
        )

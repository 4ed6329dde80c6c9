"""DiCE on the model and the rows of a search for counterfactuals of ours."""

from __future__ import annotations

from typing import Any

import dice_ml
import numpy as np
import pandas as pd

from divulge.explanations import Counterfactuals

ASKED = 4  # counterfactuals a row, of which the one with fewest changes is taken
FAR = 1e6  # stands for an infinite end of an interval


class Peer:
    """DiCE's explainers of the model behind a search, over the same columns.

    Args:
        found: that search.
    """

    def __init__(self, found: Counterfactuals) -> None:
        self.wanted, self.rows = found._wanted, found._rows
        self.names = [str(name) for name in self.rows.names]
        table = self._frame(self.rows.train)
        told = self.wanted.predictions(self.rows.train)
        self.regression = np.isinf(self.wanted.target[0])
        outcome = told if self.regression else (told >= self.wanted.target[0]).astype(int)
        numbers = [name for name, worded in zip(self.names, self.wanted.worded, strict=True) if not worded]
        self.data = dice_ml.Data(
            dataframe=table.assign(outcome=outcome), continuous_features=numbers, outcome_name="outcome"
        )
        kind = "regressor" if self.regression else "classifier"
        self.model = dice_ml.Model(model=self, backend="sklearn", model_type=kind)

    def predict(self, table: pd.DataFrame) -> Any:
        """Return the value, or the class."""
        told = self.wanted.predictions(self._matrix(table))
        return told if self.regression else (told >= self.wanted.target[0]).astype(int)

    def predict_proba(self, table: pd.DataFrame) -> Any:
        """Return both probabilities."""
        told = self.wanted.predictions(self._matrix(table))
        return np.stack([1 - told, told], axis=1)

    def objectives(self, method: str) -> Any:
        """Return the objectives (n, 4) of the sparsest valid one for each row, NaN where there is none."""
        explainer = dice_ml.Dice(self.data, self.model, method=method)
        vary = [name for name, free in zip(self.names, self.wanted.free, strict=True) if free]
        goal: dict[str, Any] = {"desired_class": 1}
        if self.regression:
            goal = {"desired_range": [max(self.wanted.target[0], -FAR), self.wanted.target[1]]}
        if method == "random":
            goal["random_seed"] = 0
        found = np.full((len(self.wanted.x), 4), np.nan)
        for row, query in enumerate(self.wanted.x):
            try:
                made = explainer.generate_counterfactuals(
                    self._frame(query[None]), total_CFs=ASKED, features_to_vary=vary, **goal
                )
            except (dice_ml.utils.exception.UserConfigValidationException, ValueError):
                continue
            table = made.cf_examples_list[0].final_cfs_df
            if table is None or not len(table):
                continue
            rows = self._matrix(table)
            predictions = self.wanted.predictions(rows)
            told = self.wanted.objectives(rows[None], predictions[None], np.array([row]))[0]
            told = told[told[:, 0] == 0]
            if len(told):
                found[row] = told[np.lexsort((told[:, 1], told[:, 2]))[0]]
        return found

    def _frame(self, points: Any) -> pd.DataFrame:
        return self.rows.frame(points).set_axis(self.names, axis=1)

    def _matrix(self, table: pd.DataFrame) -> Any:
        """Return DiCE's rows as numbers; it gives words back as text."""
        parts = []
        for name, column in zip(self.names, self.rows.columns, strict=True):
            entries = table[name]
            if column.categories:
                spelt = {str(word): word for word in column.categories}
                entries = pd.Series([spelt[str(word)] for word in entries])
                parts.append(column.encode(entries))
            else:
                parts.append(entries.to_numpy(float))
        return np.column_stack(parts)

from __future__ import annotations

import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
)
from tree_models import TEST, data, histograms

from divulge.influence import TreeInfluence


@pytest.fixture(scope="module")
def two():
    x, y = data("two")
    model = HistGradientBoostingClassifier(**histograms).fit(x, y)
    return model, TreeInfluence(model, (x, y)), data("two", TEST, seed=1)

"""What an API may tell wrongly: another length, NaN, text. One sentence names it."""

import numpy as np
import pytest

from divulge.errors import OracleError
from divulge.oracles import LiveOracle
from divulge.surrogate import linear_copy, steal, tree_copy

BOX = (np.zeros(4), np.ones(4))
WRONG = [
    (lambda x: np.ones((len(x), 3)), "shape \\(1, 4\\), the oracle returned \\(1, 3\\)|\\(\\d+, 4\\)"),
    (lambda x: np.full((len(x), 4), np.nan), "nan"),
    (lambda x: [["age > 30"] * 4] * len(x), "real numbers"),
]


@pytest.mark.parametrize(("fn", "words"), WRONG, ids=["length", "nan", "text"])
@pytest.mark.parametrize("kind", ["shap", "lime", "exact_integrated_gradients"])
def test_explanations_told_wrongly(fn, words, kind):
    oracle = LiveOracle(fn, 4, tells=kind, classes=["no", "yes"])
    copy = linear_copy(oracle)
    assert not copy.complete
    with pytest.raises(OracleError, match=words):
        oracle.explain(np.ones((1, 4)))
    assert any(part in copy.notes[0] for part in ("the oracle returned", "expected"))
    with pytest.raises(OracleError, match=words):
        steal(oracle, "linear", queries=3)
    if kind == "shap":
        assert not tree_copy(oracle, ranges=BOX).complete

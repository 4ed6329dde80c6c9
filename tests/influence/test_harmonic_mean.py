from __future__ import annotations

import numpy as np
import pytest

from divulge.influence import DataInf


def test_the_mean_of_inverses_of_each_tensor(make, truth):
    module, train, test = make("tanh", n=9)
    _, g, h = truth(module, train, test)
    got = DataInf(module, train, damping=0.3).scores(test)
    begin, expected = 0, 0
    for tensor in module.parameters():
        part = slice(begin, begin + tensor.numel())
        a, b, begin = g[:, part], h[:, part], part.stop
        level = 0.3 * (a**2).sum(1).mean() / a.shape[1]
        inverse = np.mean([np.linalg.inv(np.outer(r, r) + level * np.eye(len(r))) for r in a], axis=0)
        expected = expected - b @ inverse @ a.T
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)
    margins = DataInf(module, train).scores(test, of="margin")
    assert margins.shape == (7, 9)
    assert not np.allclose(margins, got)


@pytest.mark.parametrize("damping", [0, -1, np.nan, True, "a"])
def test_damping_that_is_none(make, damping):
    module, train, _ = make("logistic")
    with pytest.raises(ValueError, match=f"expected damping above 0, got {damping!r}"):
        DataInf(module, train, damping=damping)

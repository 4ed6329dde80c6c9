"""What the oracles of a victim at hand have in common."""

from __future__ import annotations

import pytest
from torch import nn

from divulge import GradientOracle, InputTimesGradientOracle, JacobianOracle, ProbabilityOracle, ValueOracle

ORACLES = [GradientOracle, InputTimesGradientOracle, JacobianOracle, ProbabilityOracle, ValueOracle]


@pytest.mark.parametrize("kind", ORACLES)
def test_a_bare_module_is_refused(kind):
    with pytest.raises(TypeError, match=r"expected a victim such as Victim\(.*\), got Linear"):
        kind(nn.Linear(3, 1))

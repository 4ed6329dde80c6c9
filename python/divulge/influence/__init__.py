"""Which training samples made a prediction: influence functions, solvers and curvatures."""

from divulge.influence.errors import NotConverged, SingularCurvature
from divulge.influence.influence import Influence, TopK
from divulge.influence.solvers import Solution

__all__ = ["Influence", "NotConverged", "SingularCurvature", "Solution", "TopK"]

"""Which training samples made a prediction: influence functions, solvers, curvatures, and the truth."""

from divulge.influence.errors import NotConverged, SingularCurvature
from divulge.influence.influence import Influence, TopK
from divulge.influence.solvers import Solution
from divulge.influence.truth import (
    DatamodelingScore,
    MislabelCurve,
    leave_one_out_retraining,
    linear_datamodeling_score,
    mislabel_curve,
)

__all__ = [
    "DatamodelingScore",
    "Influence",
    "MislabelCurve",
    "NotConverged",
    "SingularCurvature",
    "Solution",
    "TopK",
    "leave_one_out_retraining",
    "linear_datamodeling_score",
    "mislabel_curve",
]

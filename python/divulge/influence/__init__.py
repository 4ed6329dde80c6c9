"""Which training samples made a prediction: influence functions, solvers, curvatures, and the truth."""

from divulge.influence.baselines import (
    GradientSimilarity,
    RandomProjection,
    RepresenterPoints,
    TracIn,
)
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
    "GradientSimilarity",
    "Influence",
    "MislabelCurve",
    "NotConverged",
    "RandomProjection",
    "RepresenterPoints",
    "SingularCurvature",
    "Solution",
    "TopK",
    "TracIn",
    "leave_one_out_retraining",
    "linear_datamodeling_score",
    "mislabel_curve",
]

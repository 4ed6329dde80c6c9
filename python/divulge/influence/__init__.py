"""Which training samples made a prediction: influence functions, training runs, stores, and the truth."""

from divulge.influence.baselines import (
    GradientSimilarity,
    RandomProjection,
    RepresenterPoints,
    TracIn,
)
from divulge.influence.domains import DomainInfluence, domain_influence, influence_by_distance
from divulge.influence.errors import NotConverged, SingularCurvature, UnresolvedDamping
from divulge.influence.gradient_store import GradientStore
from divulge.influence.harmonic_mean import DataInf
from divulge.influence.influence import Influence
from divulge.influence.invisible_training import TrainingAttack, perturb_training_images
from divulge.influence.mislabels import FixCurve, fix_curve, flip_labels
from divulge.influence.nearest_rows import NearestRows
from divulge.influence.optimizers import Adam, AdamW, Sgd
from divulge.influence.prototype_search import Prototypes, prototypes
from divulge.influence.ranking import Ranking
from divulge.influence.regression import fit_linear
from divulge.influence.removal import leave_groups_out
from divulge.influence.saved import SolvedTests, solve_tests
from divulge.influence.saved_factors import fit_factors
from divulge.influence.solvers import Solution
from divulge.influence.task import Task
from divulge.influence.training_run import Metagradients, TrainingRun
from divulge.influence.trees import TreeInfluence
from divulge.influence.truth import (
    DatamodelingScore,
    MislabelCurve,
    leave_one_out_retraining,
    linear_datamodeling_score,
    mislabel_curve,
)

__all__ = [
    "Adam",
    "AdamW",
    "DataInf",
    "DatamodelingScore",
    "DomainInfluence",
    "FixCurve",
    "GradientSimilarity",
    "GradientStore",
    "Influence",
    "Metagradients",
    "MislabelCurve",
    "NearestRows",
    "NotConverged",
    "Prototypes",
    "RandomProjection",
    "Ranking",
    "RepresenterPoints",
    "Sgd",
    "SingularCurvature",
    "Solution",
    "SolvedTests",
    "Task",
    "TracIn",
    "TrainingAttack",
    "TrainingRun",
    "TreeInfluence",
    "UnresolvedDamping",
    "domain_influence",
    "fit_factors",
    "fit_linear",
    "fix_curve",
    "flip_labels",
    "influence_by_distance",
    "leave_groups_out",
    "leave_one_out_retraining",
    "linear_datamodeling_score",
    "mislabel_curve",
    "perturb_training_images",
    "prototypes",
    "solve_tests",
]

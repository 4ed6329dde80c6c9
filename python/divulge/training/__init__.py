"""Training the classifiers that are then taken apart: plainly, or against an adversary."""

from divulge.training.adversarial import Pgd
from divulge.training.alike_units import AlikeUnits
from divulge.training.fit import Penalty, Perturb, accuracy, fit_classifier, train_classifier
from divulge.training.modes import evaluating
from divulge.training.network_names import NETWORKS, network_by_name
from divulge.training.networks import cnn, mlp, patch_cnn, strided_cnn

__all__ = [
    "NETWORKS",
    "AlikeUnits",
    "Penalty",
    "Perturb",
    "Pgd",
    "accuracy",
    "cnn",
    "evaluating",
    "fit_classifier",
    "mlp",
    "network_by_name",
    "patch_cnn",
    "strided_cnn",
    "train_classifier",
]

"""Training the classifiers that are then taken apart: plainly, or against an adversary."""

from divulge.training.adversarial import Pgd
from divulge.training.fit import Perturb, accuracy, fit_classifier, train_classifier
from divulge.training.networks import cnn, mlp, patch_cnn, strided_cnn

__all__ = [
    "Perturb",
    "Pgd",
    "accuracy",
    "cnn",
    "fit_classifier",
    "mlp",
    "patch_cnn",
    "strided_cnn",
    "train_classifier",
]

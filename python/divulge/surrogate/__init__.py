"""Copies trained on what an oracle answers: labels, probabilities, gradients and other explanations."""

from divulge.surrogate.losses import Weights
from divulge.surrogate.stolen import Stolen
from divulge.surrogate.thief import steal

__all__ = ["Stolen", "Weights", "steal"]

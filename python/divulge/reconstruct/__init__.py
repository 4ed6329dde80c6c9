"""Exact reconstruction of ReLU networks from what an oracle answers."""

from divulge.reconstruct.attack import reconstruct
from divulge.reconstruct.layer import Sum
from divulge.reconstruct.many import reconstruct_many
from divulge.reconstruct.result import Progress, Reconstruction

__all__ = ["Progress", "Reconstruction", "Sum", "reconstruct", "reconstruct_many"]

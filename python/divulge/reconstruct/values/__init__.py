"""Reconstruction from values alone: exact differences inside affine pieces."""

from divulge.reconstruct.values.probe import ValueProbe
from divulge.reconstruct.values.search import ValueSearch
from divulge.reconstruct.values.transcript import ValueTranscript

__all__ = ["ValueProbe", "ValueSearch", "ValueTranscript"]

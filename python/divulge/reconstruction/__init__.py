"""Exact reconstruction of ReLU networks from what an oracle answers."""

from divulge.reconstruction.batch import reconstruct_many
from divulge.reconstruction.entry import reconstruct
from divulge.reconstruction.network.hidden_layer import Sum
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Progress, Reconstruction

__all__ = ["Note", "NoteKind", "Progress", "Reconstruction", "Sum", "reconstruct", "reconstruct_many"]

"""Solvers of (C + damping) x = b, each of which says how exact it was."""

from divulge.influence.solvers.cg import ConjugateGradients
from divulge.influence.solvers.direct import Direct
from divulge.influence.solvers.lissa import Lissa
from divulge.influence.solvers.low_rank import LowRank, arnoldi, nystroem
from divulge.influence.solvers.solution import Matrix, Solution, Solved, Solver, placed
from divulge.influence.solvers.spectrum import Ritz, lanczos

__all__ = [
    "ConjugateGradients",
    "Direct",
    "Lissa",
    "LowRank",
    "Matrix",
    "Ritz",
    "Solution",
    "Solved",
    "Solver",
    "arnoldi",
    "lanczos",
    "nystroem",
    "placed",
]

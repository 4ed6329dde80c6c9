"""Test points' inverse products on disk: solved for once, scored against any training data."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.datasets.npy import read_npz_names
from divulge.files import reading, replacing
from divulge.influence.arguments import named
from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array, blocks
from divulge.influence.output import open_output
from divulge.influence.parts import leaves
from divulge.influence.ranking import group_members
from divulge.influence.samples import Samples

__all__ = ["SolvedTests", "data_digest", "parameters_digest", "solve_tests"]

_KEYS = {"vectors", "residual", "parameters", "about"}
_BLOCK = 64
# Samples that are read at a time.
_READ = 4096


@dataclass(frozen=True)
class SolvedTests:
    """H^-1 grad f of test points, with what they were solved for.

    Attributes:
        vectors: (m, P).
        residual: (m,), |b - H x| / |b|.
        parameters: a digest of the parameters' names, shapes and values.
        about: curvature, damping and weight decay, for people.
    """

    vectors: Array
    residual: NDArray[np.float64]
    parameters: str
    about: str

    def save(self, path: str | Path) -> None:
        """Write a .npz file, whole or not at all.

        Raises:
            ValueError: a path with another suffix.
            OSError: it cannot be written.
        """
        if Path(path).suffix != ".npz":
            raise ValueError(f"expected a file named *.npz, got {Path(path).name}")
        with replacing(path) as file:
            arrays: dict[str, Any] = {key: np.asarray(getattr(self, key)) for key in sorted(_KEYS)}
            np.savez(file, **arrays)

    @staticmethod
    def load(path: str | Path) -> SolvedTests:
        """Read what `save` wrote.

        Raises:
            UnreadableFile: it is something else, or holds numbers that are not finite.
            OSError: it is not there.
        """
        with reading(path, "inverse products of test points"):
            held = read_npz_names(Path(path))
            if set(held) != _KEYS:
                raise ValueError(f"expected {', '.join(sorted(_KEYS))}, got {', '.join(held)}")
            vectors, residual = held["vectors"], held["residual"]
            parameters, about = str(held["parameters"]), str(held["about"])
            if vectors.ndim != 2 or residual.shape != vectors.shape[:1] or vectors.dtype.kind != "f":
                raise ValueError(f"expected vectors (m, P), got {vectors.shape} and {residual.shape}")
            if not np.isfinite(vectors).all():
                raise ValueError("expected finite vectors, got a NaN or an infinity")
        return SolvedTests(vectors, residual.astype(np.float64), parameters, about)

    def scores(self, influence: Influence, groups: ArrayLike | None = None, out: Any = None) -> Any:
        """Return scores (m, n) of the training samples of an `Influence`, which may be others than before.

        They are those of `Influence.scores` where its curvature is the one that was solved for; the samples
        need not be the ones that the curvature is of.

        Args:
            influence: of the same parameters, with the samples in question.
            groups: as in `Influence.scores`.
            out: as in `Influence.scores`.

        Raises:
            ValueError: the parameters are others, or of another precision.
        """
        influence._follow()
        digest, operator = parameters_digest(influence), influence.operator
        if digest != self.parameters or self.vectors.shape[1] != operator.parameters:
            raise ValueError(
                f"these {len(self.vectors)} test points were solved for with other parameters than this "
                "module's (names, shapes, precision or values); solve for them again"
            )
        members = None if groups is None else group_members(groups, operator.rows)
        columns = operator.rows if members is None else members.shape[1]
        target = open_output(out, (len(self.vectors), columns), operator.dtype)
        for rows in blocks(len(self.vectors), _BLOCK):
            scores = -operator.scores(self.vectors[rows])
            target[rows] = scores if members is None else scores @ members
        return target


def solve_tests(influence: Influence, test: Any, *, of: str | LossFunction | None = None) -> SolvedTests:
    """Return H^-1 grad f of test points, to be saved, and scored against training data later.

    Args:
        influence: of the trained model.
        test: as in `Influence.scores`.
        of: as in `Influence.scores`.

    Raises:
        ValueError: as `Influence.scores`.
    """
    samples = influence.checked(test)
    vectors = np.empty((len(samples), influence.operator.parameters), influence.operator.dtype)
    residual = np.empty(len(samples))
    for rows, solution in influence._inverse.solutions(samples, influence._function(of)):
        vectors[rows] = solution
        assert influence.solution is not None
        residual[rows] = influence.solution.residual
    method = named(influence.curvature, influence.solver)
    about = f"{method}, damping {influence.damping:g}, weight decay {influence.weight_decay:g}"
    return SolvedTests(vectors, residual, parameters_digest(influence), about)


def parameters_digest(influence: Influence) -> str:
    """Return a digest of the parameters in question, and of all that gradients by them depend on."""
    return influence._prepared.snapshot.digest()


def data_digest(samples: Samples) -> str:
    """Return a digest of all samples."""
    digest = sha256()
    for name, array in (*leaves(samples.inputs), ("targets", samples.targets)):
        digest.update(f"{name} {array.shape} {array.dtype};".encode())
        for rows in blocks(len(array), _READ):
            digest.update(np.ascontiguousarray(array[rows]).tobytes())
    return digest.hexdigest()

"""A model of many inputs, asked in a few combinations of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.points import Points


class SpannedOracle(Oracle):
    """Answers about z with the values f_k(z B) of another oracle, whose ledger counts.

    Args:
        oracle: tells values, in all of R^d.
        basis: B, orthonormal rows, shape (r, d).

    Raises:
        ValueError: it tells no values, or the rows are of another length.

    Attributes:
        basis: B.
    """

    def __init__(self, oracle: Oracle, basis: Array) -> None:
        if not oracle.has_values:
            raise ValueError(f"expected an oracle that tells values, a {oracle.kind} oracle tells none")
        if basis.ndim != 2 or basis.shape[1] != oracle.input_size:
            raise ValueError(f"expected rows of {oracle.input_size} numbers, got shape {basis.shape}")
        super().__init__(
            input_size=len(basis),
            output_size=oracle.output_size,
            output=oracle.output,
            dtype=oracle.dtype,
            kind=oracle.kind,
            has_values=True,
            has_gradients=False,
        )
        self._asked, self.basis = oracle, basis
        self.ledger = oracle.ledger

    def _answer(self, points: Array, output: int) -> tuple[Array | None, None]:
        return self._asked.query(points @ self.basis, output)[0], None

    def _admit(self, points: Points) -> Array:
        """Check points (n, r); the oracle that is asked charges for them."""
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        return matrix

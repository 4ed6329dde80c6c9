"""A sum of trees as a polynomial in "is x_i right of t", whose terms SHAP values tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from divulge.arrays import Array, Index

MOST_TERMS = 4000  # solved for at once: some seconds
FEW = 800  # terms up to which doubtful ones are solved for with the others
MOST_DOUBTFUL = 12_000  # looked through for what is left
SPARE = 10  # answers beyond those that likely terms take for each of these that is added
SCREENED, AT_ONCE = 300, 20  # of these looked at closely, and taken, at a time
RANK = 1e-10  # relative: columns that add less to others are their sums
TINY = 1e-10  # of values: coefficients that are none


@dataclass(frozen=True)
class Terms:
    """f = sum over terms of its coefficient times the product of its bits.

    Attributes:
        members: the thresholds of each term, shape (M, D); -1 where a term has fewer.
        coefficients: shape (M,).
    """

    members: Index
    coefficients: Array

    def __len__(self) -> int:
        return len(self.members)

    def __call__(self, bits: NDArray[np.bool_]) -> Array:
        """Return values (n,) of bits (n, T)."""
        parts = [products(self.members, bits[i : i + 1000]) for i in range(0, len(bits), 1000)]
        return np.concatenate([part @ self.coefficients for part in parts] or [np.zeros(0)])


def products(members: Index, bits: NDArray[np.bool_]) -> Array:
    """Return the products (n, M) of bits (n, T)."""
    padded = np.concatenate([bits, np.ones((len(bits), 1), bool)], axis=1)
    found = np.ones((len(bits), len(members)), bool)
    for column in members.T:
        found &= padded[:, column]
    return found.astype(np.float64)


def candidates(partners: NDArray[np.bool_], most: int = MOST_TERMS) -> tuple[Index, bool]:
    """Return sets of thresholds that are partners pair by pair, (M, D), and whether these are all.

    Args:
        partners: which thresholds were seen in one tree, symmetric, shape (T, T).
        most: sets returned, small ones first.
    """
    count = len(partners)
    levels = [np.full((1, 0), -1, np.intp), np.arange(count)[:, None]]
    total = 1 + count
    later = np.triu(partners, 1)
    while len(levels[-1]) and total <= most:
        sets = levels[-1]
        common = np.logical_and.reduce([later[column] for column in sets.T])  # (sets, T)
        rows, added = np.nonzero(common)
        total += len(rows)
        if total > most:
            break
        levels.append(np.column_stack([sets[rows], added]))
    widest = max(1, max(level.shape[1] for level in levels))
    padded = [np.pad(level, ((0, 0), (0, widest - level.shape[1])), constant_values=-1) for level in levels]
    return np.concatenate(padded), total <= most


def solved(
    members: Index, bits: NDArray[np.bool_], values: Array, doubtful: Index | None = None, allowed: float = 0
) -> Terms:
    """Return the terms that explain values (n,) of bits (n, T).

    Args:
        members: likely terms, (M, D), which are solved for at once.
        bits: shape (n, T).
        values: shape (n,).
        doubtful: terms of which few are thought to matter, (L, D'): those that explain most of what is left
            are added one by one, as long as ten answers are at hand for each.
        allowed: what may be left.
    """
    system = products(members, bits)
    kept, basis, triangle = _independent(system)
    members = members[kept]
    left = values - basis @ (basis.T @ values)
    if doubtful is not None and len(doubtful) and np.abs(left).max(initial=0.0) > allowed:
        added = doubtful[_matched(products(doubtful, bits), left, basis, allowed)]
        width = max(members.shape[1], doubtful.shape[1])
        members = np.concatenate([_wide(members, width), _wide(added, width)])
        kept, basis, triangle = _independent(products(members, bits))
        members = members[kept]
    found = solve_triangular(triangle, basis.T @ values, check_finite=False)
    large = np.abs(found) > TINY * np.abs(values).max(initial=0.0)
    return Terms(members[large], found[large])


def _independent(system: Array) -> tuple[Index, Array, Array]:
    """Which columns of a system (n, M) are no sums of those before, and Q (n, M') and R of these."""
    kept = np.arange(system.shape[1])[: len(system)]
    while True:
        basis, triangle = qr(system[:, kept], mode="economic", check_finite=False)
        size = np.linalg.norm(triangle, axis=0)
        good = np.abs(np.diag(triangle)) > RANK * np.maximum(size, 1e-300)
        if good.all():
            return kept, basis, triangle
        kept = kept[good]


def _matched(columns: Array, left: Array, basis: Array, allowed: float) -> Index:
    """Return which columns (n, L) explain what is left (n,) of values beside a basis (n, M).

    By turns those most like it are looked through, of which orthogonal least squares takes a few.
    """
    own = np.linalg.norm(columns, axis=0)
    room = (len(left) - basis.shape[1]) // SPARE
    found = np.zeros(0, np.intp)
    while len(found) < room and np.abs(left).max(initial=0.0) > allowed:
        alike = np.abs(left @ columns) / np.maximum(own, 1.0)
        alike[found] = -1.0
        screened = np.argsort(-alike, kind="stable")[:SCREENED]
        few = min(AT_ONCE, room - len(found))
        chosen, directions = _best_few(columns[:, screened], left, basis, few, allowed)
        if not len(chosen):
            break
        found = np.concatenate([found, screened[chosen]])
        basis = np.concatenate([basis, directions], axis=1)
        left = left - directions @ (directions.T @ left)
    return found


def _best_few(columns: Array, left: Array, basis: Array, few: int, allowed: float) -> tuple[Index, Array]:
    """Return a few columns (n, L), each taking most of what is left, and what they add to a basis."""
    own = np.einsum("ij,ij->j", columns, columns)
    columns = columns - basis @ (basis.T @ columns)
    squares = np.einsum("ij,ij->j", columns, columns)
    directions = np.zeros((len(left), 0))
    found: list[int] = []
    while len(found) < few and np.abs(left).max(initial=0.0) > allowed:
        useful = squares > 1e-9 * own
        if not useful.any():
            break
        gain = np.where(useful, (left @ columns) ** 2 / np.where(useful, squares, 1.0), -1.0)
        best = int(np.argmax(gain))
        found.append(best)
        direction = columns[:, best] - directions @ (directions.T @ columns[:, best])
        direction -= directions @ (directions.T @ direction)
        direction /= np.linalg.norm(direction)
        left = left - direction * (direction @ left)
        squares = squares - (direction @ columns) ** 2
        squares[best] = 0.0
        directions = np.column_stack([directions, direction])
    return np.array(found, np.intp), directions


def likely_and_doubtful(
    both: NDArray[np.bool_], either: NDArray[np.bool_], most: int = MOST_TERMS
) -> tuple[Index, Index, bool]:
    """Return likely sets of thresholds (M, D), doubtful ones (L, 3), and whether the likely are all.

    Likely ones move each other's SHAP values; in doubtful ones a pair was seen to do so from one side only.
    Where there are few, all are likely.

    Args:
        both: pairs seen from both sides, shape (T, T).
        either: pairs seen from one, shape (T, T).
        most: of the first.
    """
    members, all_of_them = candidates(either, FEW)
    if all_of_them:
        return members, np.zeros((0, 3), np.intp), True
    members, all_of_them = candidates(both, most)
    one_sided = np.argwhere(np.triu(either & ~both, 1))
    common = both[one_sided[:, 0]] & both[one_sided[:, 1]]
    pair, third = np.nonzero(common)
    pairs = np.pad(one_sided, ((0, 0), (0, 1)), constant_values=-1)
    triples = np.column_stack([one_sided[pair], third]).reshape(-1, 3)
    return members, np.concatenate([pairs, triples])[:MOST_DOUBTFUL], all_of_them


def _wide(members: Index, width: int) -> Index:
    return np.pad(members, ((0, 0), (0, width - members.shape[1])), constant_values=-1)

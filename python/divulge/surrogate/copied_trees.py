"""Trees and sums of trees rebuilt from SHAP values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.shap_session import DOUBLE, Ranges, ShapSession, box_of, finite_rows, shap_session
from divulge.surrogate.threshold_search import QUIET, NotPiecewiseConstant, ThresholdSearch
from divulge.surrogate.thresholds import Thresholds
from divulge.surrogate.tree_from_counterfactuals import FRESH_OF_CLASSES, BordersOfTree
from divulge.surrogate.tree_terms import Terms, likely_and_doubtful, solved

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.points import Points

CONTEXTS = 12  # inputs at which each threshold's partners are looked for at first
SHARES = (0.0, 0.2, 0.5, 1.0, 0.3, 0.7)  # of their numbers that are moved to an end of the range
ROUNDS = 3  # of more of these where answers remain unexplained
FRESH = 150  # inputs asked to check a copy, drawn in its bins, and twice as many anywhere
BETWEEN = 60  # inputs asked, numbers of which lie between two of float32 that are told apart
TREES = 30  # grown until one explains fresh answers
SPARE, SPARED = 1.1, 1500  # answers for each likely term, and for others
LARGE = 1000  # products from which on they are solved for once: it takes most of a minute
SAME = 1e-6  # relative difference of values that counts as none


@dataclass(frozen=True)
class TreeCopy:
    """A tree, or a sum of trees, as SHAP values told it.

    Attributes:
        known: the thresholds of each number.
        model: a `GrownTree` over their bins, a polynomial (`Terms`) in what lies right of them; None where
            nothing was told.
        base: what SHAP values add up from; NaN where no values are told with the explanations.
        output: which output of the model.
        queries: answers asked.
        complete: whether fresh answers are explained.
        notes: sentences on what is left open.
        single: whether inputs are compared in float32.
    """

    known: Thresholds
    model: GrownTree | Terms | None
    base: float
    output: int
    queries: int
    complete: bool
    notes: tuple[str, ...]
    single: bool

    @property
    def thresholds(self) -> tuple[Array, ...]:
        """For each number of an input its thresholds: the first number right of each, rising."""
        return tuple(self.known.right)

    def values(self, points: Points) -> Array:
        """Return values f(x), shape (n,), of points (n, d)."""
        x = as_matrix(points, len(self.known.low))
        held = x.astype(np.float32).astype(np.float64) if self.single else x
        if self.model is None:
            return np.full(len(x), self.base)
        return self.base + _told_by(self.model, self.known, self.known.bins(held))


def tree_copy(
    oracle: Oracle,
    data: Dataset | None = None,
    *,
    ranges: Ranges | None = None,
    output: int | None = None,
    single: bool = True,
    most: int = 5000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TreeCopy:
    """Rebuild a decision tree, or a sum of trees, from its SHAP values.

    One number is moved at a time, and every jump of the SHAP values is bisected to neighbouring numbers;
    inputs between the same thresholds that are told apart show others. Where few values occur a single tree
    is grown, and answers asked for where they run out. Else f is a polynomial in the bits "x_i is right of
    t", with a term for each set of thresholds on one path: crossing each of them changes the SHAP values of
    the others' numbers. Its coefficients are solved for, and a few more terms looked for in what is left.

    Of counterfactuals that are the nearest inputs of another class each lies at thresholds of a single tree,
    which it tells; inputs between the same thresholds that are told apart are brought nearer to each other
    until what parts them is the nearest. The tree is grown of classes then, which are its values.

    Args:
        oracle: tells SHAP values, path-dependent ones or against any background, or counterfactuals; or
            values beside another explanation, such as LIME, which tell a single tree.
        data: whose training inputs' ranges are asked about, between which thresholds are looked for first.
        ranges: the box that is asked about, (low, high), numbers or shape (d,); by default the data's.
        output: which output; None for the oracle's own.
        single: whether the model reads its inputs in float32, as scikit-learn's and XGBoost's trees do; False
            for float64, as LightGBM and boosting on histograms do.
        most: thresholds from which on the search is given up, as SHAP values that are rounded or noisy look
            like so many.
        seed: of random inputs.
        progress: called after each answer with the answers so far and the thresholds found.

    Returns:
        The copy. Where the budget ends, the oracle fails or the user interrupts, it holds what is known, with
        `complete` False and the reason in `notes`.

    Raises:
        TypeError: the oracle is none, or tells neither SHAP values nor values beside explanations nor
            counterfactuals.
        ValueError: neither data nor ranges, or ranges that are empty, not finite, of another length or
            outside the oracle's domain; or an output that there is not, or of which it does not tell.
    """
    if isinstance(oracle, Oracle) and oracle.kind == "counterfactual":
        return _from_counterfactuals(oracle, data, ranges, single, whole("a seed", seed), progress)
    session = shap_session(oracle, data, ranges, output, single, values=True)
    hints = finite_rows(oracle, data)
    if hints is not None:
        hints = session.read(np.clip(hints, session.low, session.high))
    rng = np.random.default_rng(whole("a seed", seed))
    search = ThresholdSearch(session, rng, hints, whole("a number of thresholds", most), progress)
    return _Rebuilt(session, search, rng).run()


def _from_counterfactuals(
    oracle: Oracle,
    data: Dataset | None,
    ranges: Ranges | None,
    single: bool,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> TreeCopy:
    """Rebuild one tree from the nearest inputs of other classes."""
    low, high = box_of(oracle, data, ranges)
    if single:
        low, high = (end.astype(np.float32).astype(np.float64) for end in (low, high))
    rows = finite_rows(oracle, data)
    rows = None if rows is None else np.clip(rows, low, high)
    told = BordersOfTree(oracle, Thresholds(low, high), single, rows, np.random.default_rng(seed), progress)
    complete = told.run()
    return TreeCopy(told.began, told.tree, 0.0, 0, told.asked, complete, tuple(told.notes), single)


@dataclass
class _Rebuilt:
    """One attack: thresholds, then a tree or terms."""

    session: ShapSession
    search: ThresholdSearch
    rng: np.random.Generator
    model: GrownTree | Terms | None = None
    notes: list[str] = field(default_factory=list)
    met: int = 0
    fitted: int = -1  # thresholds that the model knows
    partners: dict[tuple[int, float], NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def known(self) -> Thresholds:
        """The thresholds so far."""
        return self.search.known

    def run(self) -> TreeCopy:
        """Ask until everything is explained or nothing more can be asked."""
        explained = False
        try:
            explained = self.rounds()
        except (BudgetExhausted, OracleError, NotPiecewiseConstant) as error:
            self.notes.append(str(error))
        except KeyboardInterrupt:
            self.notes.append("interrupted by the user")
        if self.search.points and self.fitted != len(self.known):
            self.model = self.best()
        if (off := self.session.off()) is not None:
            self.notes.append(off)
        self.notes += self.session.coarse()
        if not self.session.bases:
            self.notes.append("explanations alone do not show the mean: values are not known")
        return TreeCopy(
            self.known, self.model, self.session.base, self.session.output, self.session.queries,
            explained and off is None, tuple(self.notes), self.session.single,
        )  # fmt: skip

    def rounds(self) -> bool:
        """Find thresholds, then what lies between them; return whether fresh answers are explained."""
        search, session = self.search, self.session
        middle = (session.low + session.high) / 2 if search.hints is None else np.median(search.hints, axis=0)
        search.from_base(session.read(middle[None])[0])
        search.settle()
        self.ask(self.drawn(2 * len(self.known) + 20))
        kinds = len(np.unique(np.round(self.asked()[1] / self.allowed / 2)))
        few = kinds <= 1.5 * len(self.known) + 2
        if not few and not session.additive:
            self.notes.append("values alone tell a single tree: a sum of trees takes SHAP values")
            return False
        explained = self.as_tree() if few else self.as_sum()
        return explained and self.as_read()

    @property
    def allowed(self) -> float:
        """Difference of values that counts as none."""
        return SAME * max(self.session.scale, 1e-12)

    def drawn(self, n: int) -> Array:
        """Points (n, d) to ask about."""
        return self.known.drawn(n, self.rng, self.search.hints)

    def ask(self, points: Array) -> Array:
        """Return values (n,), less the base, of points (n, d)."""
        return np.asarray(self.search.ask(points).sum(axis=1))

    def ask_in(self, bins: Index) -> Array:
        """Return values (n,), less the base, of places anywhere in bins (n, d)."""
        return self.ask(self.known.within(bins, self.rng))

    def asked(self) -> tuple[Index, Array]:
        """Return the bins (n, d) of all answers so far, each once, and values (n,) less the base."""
        bins = self.known.bins(np.concatenate(self.search.points))
        values = np.concatenate(self.search.told).sum(axis=1)
        found, first = np.unique(bins, axis=0, return_index=True)
        return found, values[first]

    def as_tree(self) -> bool:
        """Grow one tree until fresh answers are foretold."""
        tree = self.new_tree()
        for _ in range(TREES):
            tree.grow(self.ask_in, self.rng)
            self.model, self.fitted = tree, len(self.known)
            wrong = self.unforetold()
            if wrong is None:
                return True
            before = len(self.known)
            self.search.twins(wrong)
            if len(self.known) > before:
                tree = self.new_tree()
                continue
            bins = self.known.bins(wrong)
            ends = np.zeros_like(bins), np.broadcast_to(self.known.counts, bins.shape)
            tree.probe(bins, self.ask(wrong), ends, self.ask_in)
        self.notes.append(f"answers remain unexplained with {tree.leaves} leaves")
        return False

    def new_tree(self) -> GrownTree:
        """A tree that knows all answers so far."""
        return GrownTree(self.known.counts, *self.asked(), self.allowed)

    def as_sum(self) -> bool:
        """Find partners and solve for the coefficients until fresh answers are foretold."""
        for turn in range(ROUNDS):
            self.meet(CONTEXTS if turn == 0 else 2)
            members, _, all_of_them = likely_and_doubtful(self.linked(), self.linked(both=False))
            short = int(SPARE * len(members)) + SPARED - len(self.asked()[0])
            if short > 0:
                self.ask(self.drawn(short))
            self.model, self.fitted = self.best(), len(self.known)
            wrong = self.unforetold()
            if wrong is None:
                return True
            if not all_of_them:
                self.notes.append(
                    f"more than {len(members)} products of thresholds may matter: the rest is left out"
                )
                return False
            if len(members) > LARGE:
                break
            self.search.twins(wrong[:QUIET])
        self.notes.append(f"answers remain unexplained with {len(members)} products of thresholds")
        return False

    def meet(self, contexts: int) -> None:
        """Cross each threshold at several inputs and see which numbers' SHAP values jump.

        These are rows of the data next to it, on one side or the other, between which a tree put it; in most
        of them numbers are moved to an end of their range, from where others of their tree's branches show.
        """
        count, d = len(self.known), len(self.known.low)
        for _ in range(contexts):
            at = self.drawn(count) if self.search.hints is None else self.beside(bool(self.met % 2))
            ends = np.where(self.rng.random((count, d)) < 0.5, self.known.low, self.known.high)
            share = SHARES[self.met // 2 % len(SHARES)]
            self.met += 1
            moved = self.rng.random((count, d)) < share
            self.cross(self.session.read(np.where(moved, ends, at)))

    def beside(self, right: bool) -> Array:
        """For each threshold a row of the data next to it, (T, d)."""
        data = self.search.hints
        assert data is not None
        found = []
        for i, (left, first) in enumerate(zip(self.known.left, self.known.right, strict=True)):
            order = np.argsort(data[:, i], kind="stable")
            column = data[order, i]
            at = np.searchsorted(column, first) if right else np.searchsorted(column, left, "right") - 1
            found.append(data[order[np.clip(at, 0, len(data) - 1)]])
        return np.concatenate(found)

    def cross(self, at: Array) -> None:
        """See which SHAP values jump where inputs (T, d) cross one threshold each."""
        owners = self.known.owners
        place = np.concatenate([np.arange(count) for count in self.known.counts])
        rows = np.arange(len(owners))
        told = []
        for several in (self.known.left, self.known.right):
            at = at.copy()
            at[rows, owners] = [several[i][j] for i, j in zip(owners, place, strict=True)]
            told.append(self.search.ask(at))
        jumps = np.abs(told[1] - told[0]) > self.search.allowed
        for row, (i, j) in enumerate(zip(owners, place, strict=True)):
            key = int(i), float(self.known.left[i][j])
            self.partners[key] = self.partners.get(key, np.zeros(jumps.shape[1], bool)) | jumps[row]

    def linked(self, both: bool = True) -> NDArray[np.bool_]:
        """Return which thresholds of different numbers move each other's SHAP values, (T, T), or either's."""
        owners = self.known.owners
        none = np.zeros(len(self.known.low), bool)
        keys = [(i, float(left)) for i, several in enumerate(self.known.left) for left in several]
        moves = np.array([self.partners.get(key, none) for key in keys]).reshape(len(keys), -1)
        towards = moves[:, owners]
        linked = towards & towards.T if both else towards | towards.T
        return np.asarray(linked & (owners[:, None] != owners))

    def unforetold(self) -> Array | None:
        """Ask fresh points, then the data's; return those (n, d) of which the model says something else."""
        count = FRESH if self.session.additive else FRESH_OF_CLASSES
        for points in self.known.fresh(count, self.rng, self.search.hints):
            held = self.session.read(points)
            before = self.foretold(held)
            wrong = np.abs(self.ask(held) - before) > 2 * self.allowed
            if wrong.any():
                return np.asarray(held[wrong])
        return None

    def as_read(self) -> bool:
        """Ask about numbers that float32 does not tell apart; return whether the model does not either."""
        if not self.session.single or not len(self.known):
            return True
        points = self.known.between(self.drawn(BETWEEN), self.rng)
        before = self.foretold(self.session.read(points))
        alike = np.abs(self.session.ask(points).sum(axis=1) - before) <= 2 * self.allowed
        if not alike.all():
            self.notes.append(DOUBLE)
        return bool(alike.all())

    def foretold(self, held: Array) -> Array:
        """Values (n,), less the base, that the copy gives points (n, d)."""
        assert self.model is not None
        return _told_by(self.model, self.known, self.known.bins(held))

    def best(self) -> GrownTree | Terms:
        """Return what explains the answers so far best, without any more."""
        bins, values = self.asked()
        if self.partners:
            likely, doubtful, _ = likely_and_doubtful(self.linked(), self.linked(both=False))
            return solved(likely[: len(bins)], self.known.bits(bins), values, doubtful, self.allowed / 10)
        tree = self.new_tree()
        tree.grow(None, self.rng)
        return tree


def _told_by(model: GrownTree | Terms, known: Thresholds, bins: Index) -> Array:
    """Values (n,) less the base of bins (n, d)."""
    return model(bins) if isinstance(model, GrownTree) else model(known.bits(bins))

"""A tree, or a sum of trees, rebuilt from values and what they add up from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array, Index
from divulge.errors import BudgetExhausted, OracleError
from divulge.surrogate.boxes import ToldLeaves
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.leaf_checks import checked, fresh_of_leaves
from divulge.surrogate.shap_session import DOUBLE, ShapSession
from divulge.surrogate.threshold_search import QUIET, NotPiecewiseConstant, ThresholdSearch
from divulge.surrogate.thresholds import Thresholds
from divulge.surrogate.tree_partners import Partners
from divulge.surrogate.tree_terms import Terms, likely_and_doubtful, solved

CONTEXTS = 12  # inputs at which each threshold's partners are looked for at first
ROUNDS = 3  # of more of these where answers remain unexplained
FRESH = 150  # inputs asked to check a copy, drawn in its bins, and twice as many anywhere
BETWEEN = 60  # inputs asked, numbers of which lie between two of float32 that are told apart
TREES = 30  # grown until one explains fresh answers
SPARE, SPARED = 1.1, 1500  # answers for each likely term, and for others
LARGE = 1000  # products from which on they are solved for once: it takes most of a minute
SAME = 1e-6  # relative difference of values that counts as none


@dataclass
class RebuiltFromValues:
    """One attack: thresholds, then a tree or terms.

    Attributes:
        session: whom to ask.
        search: for the thresholds.
        model: what explains the answers so far.
        notes: sentences on what is left open.
    """

    session: ShapSession
    search: ThresholdSearch
    rng: np.random.Generator
    model: GrownTree | Terms | None = None
    notes: list[str] = field(default_factory=list)
    fitted: int = -1  # thresholds that the model knows

    def __post_init__(self) -> None:
        self.partners = Partners(self.session, self.search, self.rng)

    @property
    def known(self) -> Thresholds:
        """The thresholds so far."""
        return self.search.known

    def run(self) -> bool:
        """Ask until fresh answers are explained or nothing more can be asked; return whether they are."""
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
        return explained and off is None

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
                if not self.session.additive:
                    self.notes.append(checked(tree))
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
            self.partners.meet(CONTEXTS if turn == 0 else 2)
            members, _, all_of_them = likely_and_doubtful(
                self.partners.linked(), self.partners.linked(both=False)
            )
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

    def unforetold(self) -> Array | None:
        """Ask fresh points, then the data's; return those (n, d) of which the model says something else."""
        for points in self.fresh():
            held = self.session.read(points)
            before = self.foretold(held)
            wrong = np.abs(self.ask(held) - before) > 2 * self.allowed
            if wrong.any():
                return np.asarray(held[wrong])
        return None

    def fresh(self) -> list[Array]:
        """Return points (n, d) each to check the copy at; values alone say less, so that more are taken."""
        if self.session.additive or not isinstance(self.model, GrownTree):
            return self.known.fresh(FRESH, self.rng, self.search.hints)
        return fresh_of_leaves(self.model, self.known, self.rng, self.search.hints)

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
        return told_by(self.model, self.known, self.known.bins(held))

    def best(self) -> GrownTree | Terms:
        """Return what explains the answers so far best, without any more."""
        bins, values = self.asked()
        if self.partners.jumped:
            likely, doubtful, _ = likely_and_doubtful(
                self.partners.linked(), self.partners.linked(both=False)
            )
            return solved(likely[: len(bins)], self.known.bits(bins), values, doubtful, self.allowed / 10)
        tree = self.new_tree()
        tree.grow(None, self.rng)
        return tree


def told_by(model: GrownTree | ToldLeaves | Terms, known: Thresholds, bins: Index) -> Array:
    """Values (n,) less the base of bins (n, d)."""
    return model(known.bits(bins)) if isinstance(model, Terms) else model(bins)

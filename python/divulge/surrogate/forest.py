"""A forest copied from few answers about a tree or a forest, along the numbers that explanations name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.lime import Lime
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Answers, Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite
from divulge.surrogate.explained_numbers import ExplainedNumbers
from divulge.surrogate.sloped_forest import SlopedForest
from divulge.training.class_scores import named_classes

if TYPE_CHECKING:
    from divulge.points import Points

# Chosen on other splits of breast cancer and wine than those that `bench/autolycus.py` prints.
ANYWHERE = 0.3  # share of queries that are a known row and noise, not one between two known classes
NOISE = 0.7  # of that, in widths
MOVED = 3  # numbers at most that are taken from the other row at once
FARTHEST = 0.5  # share of the pairs that begin with the farthest, in widths; the others with the nearest
DRAWN = 0.5  # share of the pairs that are drawn instead
CLOSE = 0.1  # widths between two rows that differ in one number, from which on they are not parted further
TREES = 50
PER_CLASS = 10  # answers from which on their mean explanation says more than it hides; of few it is noise
GUESSED = (
    "one output's values all lie from 0 to 1: they are taken for probabilities, which name class 1 above .5; "
    "labels beside them would tell"
)


@dataclass(frozen=True)
class ForestCopy:
    """A random forest that learned what an oracle said.

    Attributes:
        model: the forest of scikit-learn; None where one class alone was named.
        named: that class, or the first one named; 0 where nothing was answered, which `notes` tell of.
        queries: answers asked.
        notes: sentences on what ended the search early, and on what was guessed.
        reads: what the forest is told of an input.
        sloped: trees that learned LIME's slopes, too, whose shares of classes count as much as the forest's;
            None where no slopes of shares were told.
    """

    model: Any
    named: int
    queries: int
    notes: tuple[str, ...]
    reads: ExplainedNumbers | None = None
    sloped: SlopedForest | None = None

    def classes(self, points: Points) -> Index:
        """Return the class of each point (n, d), shape (n,)."""
        rows = np.asarray(points, np.float64)
        if self.model is None or self.reads is None:
            return np.full(len(rows), self.named, np.intp)
        told = self.reads(rows)
        if self.sloped is None:
            return np.asarray(self.model.predict(told), np.intp)
        shares = self.sloped.shares(rows)
        shares[:, self.model.classes_] += self.model.predict_proba(told)
        return np.asarray(shares.argmax(axis=1), np.intp)


def forest_copy(
    oracle: Oracle, known: Points, *, queries: int, width: Points | None = None, seed: int = 0
) -> ForestCopy:
    """Copy a model of a table from few answers: tens, where `tree_copy` is exact after thousands.

    The known rows are asked about first. Then a row of one class takes from a row of another the numbers that
    the explanations of both call largest, until two rows that differ in one number lie close together: the
    border of the classes there. Other queries are known rows with noise. A forest learns the classes from
    all numbers; where there are more than 10 answers a class, from those that explanations call large and
    from the sums that mean explanations make of all. LIME's slopes of shares (of 0 to 1), made of more
    samples than there are numbers, are learned, too, by trees of their own: a leaf's box has slopes around
    any input, in closed form. The forest reads all numbers beside them.

    Args:
        oracle: tells explanations beside labels, probabilities or values. One output's values name class 1
            above 0, or above .5 where all lie from 0 to 1, which `notes` say.
        known: rows like those the model is for, shape (m, d); a few are enough.
        queries: the most answers.
        width: what a number varies by, shape (d,); by default the deviation of the known rows.
        seed: of every random choice.

    Returns:
        The copy. Nothing of it is certain: it has no `complete`.

    Raises:
        TypeError: the oracle is none.
        ValueError: it tells no explanations, or neither labels nor values beside them; or the rows or the
            width are none, of another shape or not finite.
    """
    if not isinstance(oracle, Oracle):
        raise TypeError(f"expected an oracle such as ShapOracle, got {type(oracle).__name__}")
    if not oracle.has_explanations:
        raise ValueError(f"expected an oracle that tells explanations, got {oracle.kind}")
    rows = as_matrix(known, oracle.input_size)
    check_finite(rows)
    if not len(rows):
        raise ValueError("expected at least one known row, got none")
    wide = rows.std(axis=0) if width is None else np.asarray(width, np.float64)
    if wide.shape != (oracle.input_size,) or not np.isfinite(wide).all():
        raise ValueError(f"expected a width of {oracle.input_size} finite numbers, got shape {wide.shape}")
    rng = np.random.default_rng(whole("a seed", seed))
    search = _Search(oracle, np.where(wide > 0, wide, 1.0), rng, whole("a number of queries", queries))
    search.run(rows)
    return search.copy(seed)


@dataclass
class _Search:
    """What was asked, and between which rows was asked already."""

    oracle: Oracle
    width: Array
    rng: np.random.Generator
    most: int
    notes: list[str] = field(default_factory=list)
    shares: bool = False  # one output's values are taken for probabilities
    changed: bool = False  # a defence made other explanations of them

    def __post_init__(self) -> None:
        self.tried = np.zeros((0, 0), bool)
        self.x = np.empty((0, len(self.width)))
        self.told = np.empty_like(self.x)
        self.outputs = np.empty(0, np.intp)
        self.y, self.values = np.empty(0, np.intp), np.empty(0)

    def run(self, known: Array) -> None:
        """Ask until all queries are spent, or none is answered."""
        remain = self.oracle.ledger.remaining
        self.ask(known[: self.most if remain is None else min(self.most, remain)])
        while len(self.x) < self.most and not self.notes:
            pair = None if self.rng.random() < ANYWHERE else self.pair()
            between = None if pair is None else self.between(*pair)
            if pair is not None and between is None:
                continue
            if between is None:
                start = known[self.rng.integers(len(known))]
                between = start + NOISE * self.width * self.rng.standard_normal(len(start))
            self.ask(between[None])

    def ask(self, points: Array) -> None:
        """Keep what is said of points (n, d)."""
        if self.oracle.domain is not None:
            points = np.clip(points, *self.oracle.domain)
        try:
            answers = self.oracle.explain(points)
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
            return
        assert answers.explanations is not None
        self.x = np.concatenate([self.x, answers.points])
        self.tried = np.pad(self.tried, (0, len(answers.points)))
        self.changed = self.changed or bool(answers.imitations)
        if answers.values is not None:
            self.values = np.concatenate([self.values, answers.values])
        self.named(answers)
        self.told = np.concatenate([self.told, answers.explanations])
        self.outputs = np.concatenate([self.outputs, answers.outputs])

    def named(self, answers: Answers) -> None:
        """Keep the classes that answers name; of one output's values those above .5 where all are shares."""
        if answers.labels is not None:
            self.y = np.concatenate([self.y, answers.labels])
        elif answers.probabilities is not None:
            self.y = np.concatenate([self.y, named_classes(answers.probabilities, 0.5)])
        elif answers.values is None:
            raise ValueError(f"expected labels or values beside explanations, {self.oracle.kind} tells none")
        else:
            self.shares = bool(((self.values >= 0) & (self.values <= 1)).all())
            self.y = named_classes(self.values, 0.5 if self.shares else 0.0)

    def pair(self) -> tuple[int, int] | None:
        """Return two rows of two classes that were not taken before; None where there are none."""
        n = len(self.y)
        one, other = np.nonzero(np.tril(self.y[:, None] != self.y) & ~self.tried[:n, :n])
        if not len(one):
            return None
        apart = np.abs((self.x[one] - self.x[other]) / self.width).sum(axis=1)
        place = int(apart.argmax() if self.rng.random() < FARTHEST else apart.argmin())
        if self.rng.random() < DRAWN:
            place = int(self.rng.integers(len(one)))
        pair = int(one[place]), int(other[place])
        self.tried[pair] = True
        return pair

    def between(self, one: int, other: int) -> Array | None:
        """Return a row between two: halves the one number that they differ in, or moves some that count."""
        start, end = self.x[one], self.x[other]
        differ = np.flatnonzero(start != end)
        moved = start.copy()
        if len(differ) == 1:
            if np.abs(start - end)[differ] < CLOSE * self.width[differ]:
                return None
            moved[differ] = (start + end)[differ] / 2
            return np.asarray(moved)
        weight = np.abs(self.told[[one, other]]).sum(axis=0)[differ]
        first = differ[np.argsort(-weight, kind="stable")]
        count = max(1, min(MOVED, int((weight > 0).sum()) // 2))
        moved[first[:count]] = end[first[:count]]
        return np.asarray(moved)

    def copy(self, seed: int) -> ForestCopy:
        """Return the forest that learned all of it."""
        from sklearn.ensemble import RandomForestClassifier

        named = int(self.y[0]) if len(self.y) else 0
        notes = (*self.notes, *((GUESSED,) if self.shares else ()))
        if len(np.unique(self.y)) < 2:
            return ForestCopy(None, named, len(self.x), notes)
        size = self.oracle.output_size or int(self.outputs.max()) + 1
        reads, sloped = ExplainedNumbers.all(len(self.width)), self.sloped(size, seed)
        if sloped is None and len(self.x) > PER_CLASS * max(2, size):
            reads = ExplainedNumbers.of(self.told, self.outputs, self.width, size)
        model = RandomForestClassifier(TREES, random_state=seed).fit(reads(self.x), self.y)
        return ForestCopy(model, named, len(self.x), notes, reads, sloped)

    def sloped(self, size: int, seed: int) -> SlopedForest | None:
        """Trees of LIME's slopes too, where these are of shares and as they were made."""
        lime = self.oracle.attribution
        if self.changed or not (isinstance(lime, Lime) and lime.samples > len(self.width)):
            return None
        if not len(self.values) or not ((self.values >= 0) & (self.values <= 1)).all():
            return None
        return SlopedForest.of(lime, self.x, self.y, self.told, self.outputs, size=size, seed=seed)

"""The errors that divulge raises on its own account."""


class DivulgeError(Exception):
    """Base of every error that divulge raises on its own account."""


class OracleError(DivulgeError, RuntimeError):
    """An oracle failed, or its answer cannot be used (wrong shape, NaN, infinite)."""


class BudgetExhausted(OracleError):
    """The ledger's budget does not cover the queries that were about to be asked; none of them was."""


class CheckpointError(DivulgeError, ValueError):
    """A checkpoint cannot be gone on from: it is damaged, or belongs to another search or victim."""


class NotPiecewiseLinear(DivulgeError, ValueError):
    """The answers cannot come from a piecewise-linear function, so no reconstruction exists."""


class UnsupportedModel(DivulgeError, ValueError):
    """A model, or a model file, holds something that divulge cannot run."""

"""What the solvers of influence functions raise and warn of."""

from divulge.errors import DivulgeError

__all__ = ["NotConverged", "SingularCurvature", "UnresolvedDamping"]


class SingularCurvature(DivulgeError, ValueError):
    """The damped curvature is not positive definite.

    Attributes:
        smallest_eigenvalue: of the curvature with the weight decay and without the damping, as estimated.
        sufficient_damping: the smallest damping that would do, with a margin for the estimate.
    """

    def __init__(self, message: str, smallest_eigenvalue: float, sufficient_damping: float) -> None:
        super().__init__(message)
        self.smallest_eigenvalue = smallest_eigenvalue
        self.sufficient_damping = sufficient_damping


class NotConverged(UserWarning):
    """A solver stopped before its tolerance was reached."""


class UnresolvedDamping(UserWarning):
    """The damping leaves scores to rounding in directions that a module's precision does not resolve."""

"""What each hidden layer cost."""

from __future__ import annotations

from collections.abc import Callable


class Tally:
    """Queries by the hidden layer that was being looked for when they were asked.

    Args:
        total: returns the queries asked so far.
    """

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._booked = 0
        self._by_layer: list[int] = []

    def book(self, depth: int) -> None:
        """Put down all queries since the last call to the layer at a depth, 0 for the first."""
        self._by_layer += [0] * (depth + 1 - len(self._by_layer))
        now = self._total()
        self._by_layer[depth] += now - self._booked
        self._booked = now

    def by_layer(self, layers: int) -> tuple[int, ...]:
        """Return the queries of each of so many layers; whatever else was asked counts to the last."""
        if not layers:
            return ()
        own = [*self._by_layer[: layers - 1], *[0] * (layers - 1 - len(self._by_layer))]
        return (*own, self._total() - sum(own))

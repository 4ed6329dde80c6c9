"""The tables of results that are defined elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from divulge.html import ShownAsTable

if TYPE_CHECKING:
    import pandas as pd

    from divulge.reconstruction.certificate import Certificate


class ReconstructionTable(ShownAsTable):
    """What a Reconstruction is shown as."""

    hidden_sizes: tuple[int, ...]
    queries: int
    queries_by_layer: tuple[int, ...]
    kind: str
    certificate: Certificate
    complete: bool

    @property
    def numbers_per_parameter(self) -> float:
        """Numbers told for each parameter of the copy."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each hidden layer: its units, and the queries asked while it was looked for."""
        import pandas as pd

        asked = [*self.queries_by_layer, *[None] * len(self.hidden_sizes)]
        rows = [(k, units, asked[k - 1]) for k, units in enumerate(self.hidden_sizes, 1)]
        return pd.DataFrame(rows, columns=["layer", "units", "queries"])

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {
            "complete": self.complete,
            "from": f"{self.kind} answers",
            "queries": self.queries,
            "numbers told for each parameter": self.numbers_per_parameter,
            "certificate": str(self.certificate),
        }

"""What a search for backdoors found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from divulge.arrays import Array
from divulge.backdoors.trigger import Trigger
from divulge.html import ShownAsTable
from divulge.saliency.arguments import Bounds

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class BackdoorScan(ShownAsTable):
    """What a search for backdoors found.

    Attributes:
        classes: number of classes, K.
        method: "agnostic" or "neural-cleanse".
        samples: "data" or "noise", what the triggers were tried on.
        sizes: the sum of each class's mask in pixels, infinite where no trigger was found, shape (K,).
        anomaly_index: |x - median| / (1.4826 median|x - median|), x the logarithm of the size, or the size
            itself for Neural Cleanse, shape (K,).
        success: share of the samples that each trigger sends to its class, of those not there, NaN where all
            are, shape (K,).
        extents: the smallest rectangle round the pixels that make up nine tenths of each mask, as a share of
            the image, shape (K,).
        triggers: one for each class.
        flagged: classes with a trigger that tells of a backdoor, by `divulge.backdoors.verdict.verdict`; for
            Neural Cleanse those with an index above 2 and a size below the median. A class that is not
            flagged is not thereby without a backdoor: see `backdoor_scan`.
        reasons: what was found of each flagged class.
        bounds: of the inputs between which triggers were looked for.
        source: the class whose images were looked at, or None for all.
        notes: a sentence for each class of which nothing can be said, one where bounds were assumed, one on
            the triggers that were not looked for.
        seconds: the search took.
        away: one trigger that sends most classes each to a class of its own, or None where none was found;
            looked for where data are given and no source.
        moves: where it sends each class that it sends somewhere.
    """

    classes: int
    method: str
    samples: str
    sizes: Array
    anomaly_index: Array
    success: Array
    extents: Array
    triggers: tuple[Trigger, ...]
    flagged: tuple[int, ...]
    reasons: dict[int, str]
    bounds: Bounds
    source: int | None
    notes: tuple[str, ...]
    seconds: float
    away: Trigger | None = None
    moves: dict[int, int] = field(default_factory=dict)

    @property
    def finding(self) -> str:
        """What was found, in one sentence."""
        found = [f"to class {k} by {self.reasons[k]}" for k in self.flagged]
        if self.away is not None:
            ways = ", ".join(f"{k} to {self.moves[k]}" for k in self.moves)
            found.append(f"from class {ways} by one trigger of {self.away.size:.1f} pixels")
        if not found:
            return "no backdoor was found, which does not say that there is none"
        return f"a backdoor was found {'; '.join(found)}"

    @property
    def found(self) -> dict[int, Trigger]:
        """The triggers that tell of a backdoor, by the class that they send images to."""
        everywhere = {} if self.away is None else dict.fromkeys(self.moves.values(), self.away)
        return {**everywhere, **{k: self.triggers[k] for k in self.flagged}}

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each class: its trigger's size, how unusual that is, and its success."""
        import pandas as pd

        columns = {
            "class": range(self.classes),
            "size": self.sizes,
            "anomaly_index": self.anomaly_index,
            "success": self.success,
            "extent": self.extents,
            "flagged": [k in self.flagged for k in range(self.classes)],
        }
        return pd.DataFrame(columns)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        about = {"method": self.method, "tried on": self.samples, "finding": self.finding}
        return {**about, "seconds": self.seconds}

    def plot(self) -> NDArray[Any]:
        """Draw each class's mask with its size, its trigger below with the index; return the Axes."""
        from divulge.backdoors.figures import plot_triggers

        return plot_triggers(self)

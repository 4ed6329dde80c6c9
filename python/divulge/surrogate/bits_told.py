"""The columns of a leak curve that say how many of the victim's bits a copy tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from divulge.bits import bits_told
from divulge.bits.length import check_agreement
from divulge.datasets import Dataset
from divulge.victims import Victim

if TYPE_CHECKING:
    from divulge.points import Points


class BitsColumns:
    """Bits that a victim holds, and that copies of one form tell of it.

    Args:
        agreement: with which a network counts as the victim's.
        victim: the model itself.
        data: the data set on which it is imitated.
        seed: of the estimates.

    Raises:
        TypeError: the victim is not at hand, or the data are no data set.
        ValueError: an agreement that is not above 0 and below 1.
        UnsupportedModel: the victim is a regression.
    """

    def __init__(self, agreement: float, victim: Any, data: Dataset | Points | None, seed: int) -> None:
        if not isinstance(victim, Victim):
            raise TypeError("bits are told of the model itself: expected victim=, a Victim")
        if not isinstance(data, Dataset):
            raise TypeError(f"bits need a data set as data, got {type(data).__name__}")
        check_agreement(agreement)  # before an oracle is asked for anything
        victim.check_names_classes()
        self.agreement, self.victim, self.data, self.seed = agreement, victim, data, seed
        self.held: float | None = None

    def of(self, copy: nn.Module) -> dict[str, float]:
        """Return bits_held and bits_told; what is held is estimated once."""
        found = bits_told(
            self.victim, copy, self.data, agreement=self.agreement, seed=self.seed, held=self.held
        )
        self.held = found.held
        return {"bits_held": found.held, "bits_told": found.told}

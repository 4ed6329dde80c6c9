"""What networks of images are made of, as it is recorded: convolutions, poolings, activations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from divulge.arrays import Array

Maps = tuple[int, int, int]
Around = tuple[int, int, int, int]


class UnknownStep(Exception):
    """An operation is none of a row of convolutions, poolings and dense layers."""


@dataclass(frozen=True)
class Weighted:
    """z = filters * h + offsets; a dense layer has filters that cover its maps.

    Attributes:
        filters: shape (c, C, kh, kw), groups and dilation written out with zeros.
        offsets: shape (c,).
        stride: of rows and columns.
        padding: zeros in front of and behind rows, then columns.
        inputs: (C, H, W) of h.
        maps: (c, H, W) of z.
    """

    filters: Array
    offsets: Array
    stride: tuple[int, int]
    padding: Around
    inputs: Maps
    maps: Maps


@dataclass(frozen=True)
class Scaled:
    """H times a factor, plus a shift, of each channel: shape (c,) both."""

    factor: Array
    shift: Array
    maps: Maps


@dataclass(frozen=True)
class Plain:
    """An activation or a pooling.

    Attributes:
        name: in words.
        numbers: a slope, or the ends of a clip.
        average: kernel and stride where it is an average without padding, else None.
        maps: (c, H, W) of the result.
    """

    name: str
    numbers: tuple[float, ...]
    average: tuple[tuple[int, int], tuple[int, int]] | None
    maps: Maps

    @property
    def pools(self) -> bool:
        """Whether it is a pooling."""
        return self.name.startswith(("average", "max"))


@dataclass(frozen=True)
class Padded:
    """A number put around maps: in front of and behind rows, then columns."""

    around: Around
    value: float
    maps: Maps


Step = Weighted | Scaled | Plain | Padded


@dataclass(frozen=True)
class Traced:
    """A tensor that comes of the input: which step made it, and where its numbers stood there.

    Attributes:
        tensor: kept, so that no other has its id.
        step: how many steps were made.
        places: of the numbers of one input in the flattened maps, of the tensor's shape.
    """

    tensor: Tensor
    step: int
    places: Tensor


@dataclass(frozen=True)
class Recording:
    """Steps in a row from the input on.

    Attributes:
        steps: as far as they are a row of known ones.
        ended: why there are no more, in words; empty where the last one makes the outputs.
    """

    steps: list[Step]
    ended: str

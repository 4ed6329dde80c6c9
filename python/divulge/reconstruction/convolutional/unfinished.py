"""A copy as far as it is known: whole layers, outputs that are 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.network import ConvNetwork


def unfinished(known: Prefix, whole: int, outputs: int) -> ConvNetwork | None:
    """Return the first layers of an attack as a network; None where not even one is whole.

    Args:
        known: the layers, the last of them perhaps in the making.
        whole: how many are not.
        outputs: how many the network is to have.
    """
    layers = [with_sides(layer) for layer in known.layers[:whole] if len(layer)]
    if not layers:
        return None
    prefix = Prefix(known.shape, layers)
    features = int(np.prod(prefix.map_shape(len(layers))))
    return ConvNetwork(prefix, np.zeros((outputs, features + 1)))


def with_sides(layer: ConvLayer) -> ConvLayer:
    """A layer whose channels are on where their largest entry's sign has them, while that is not known."""
    return replace(layer, signs=np.ones(len(layer))) if layer.signs is None else layer


def words(known: Prefix, whole: int, outputs: Sequence[int]) -> str:
    """Say what such a copy holds.

    A layer behind others is not known to be whole before its sides are: answers show then that it is.
    """
    last, sides = known.layers[whole - 1], ""
    if last.signs is None and whole == 1:
        sides = ", on which side its channels are on is open"
    elif last.signs is None:
        whole -= 1
        sides = f", of layer {whole + 1} {len(last)} channels are known, perhaps not all, and not their sides"
    noun = "layer is" if whole == 1 else f"{whole} layers are"
    return f"the first {noun} whole{sides}; outputs, {len(outputs)} of them, are 0 in the copy"

"""Attributes of ONNX operations that move a window: convolutions and pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from divulge.victims.onnx_reader import Reader

WINDOW = {
    "auto_pad": "STRING",
    "dilations": "INTS",
    "kernel_shape": "INTS",
    "pads": "INTS",
    "strides": "INTS",
}


def words(attributes: dict[str, Any], name: str, default: str) -> str:
    """Return an attribute that is text."""
    found = attributes.get(name, default)
    return found.decode() if isinstance(found, bytes) else found


def windows(reader: Reader, node: Any, attributes: dict[str, Any], axes: int) -> tuple[Any, ...]:
    """Return strides, pads, dilations and the automatic padding of a convolution or a pool."""
    strides = tuple(attributes.get("strides", [1] * axes))
    pads = tuple(attributes.get("pads", [0] * 2 * axes))
    dilations = tuple(attributes.get("dilations", [1] * axes))
    if not 1 <= axes <= 3 or (len(strides), len(pads), len(dilations)) != (axes, 2 * axes, axes):
        raise reader.refuse(node, f"has {axes} spatial axes with strides {strides} and pads {pads}")
    if min(*strides, *dilations) < 1 or min(pads) < 0:
        raise reader.refuse(node, f"has strides {strides}, dilations {dilations} and pads {pads}")
    auto = words(attributes, "auto_pad", "NOTSET")
    if auto.startswith("SAME") and max(dilations) > 1:  # runtimes do not agree on what it means
        raise reader.refuse(node, f"has dilations {dilations} with auto_pad {auto}")
    return strides, pads, dilations, auto

"""What shapes a graph's results have, found out before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import fx

from divulge.errors import UnsupportedModelFile
from divulge.files import check_size, first_line


class ShapesFirst(fx.Interpreter):
    """Runs a graph on tensors without numbers, and refuses what cannot be run, or takes too much memory.

    Args:
        module: the graph.
        path: the file it was read from.
        places: names of its nodes in the file, by their names here.
    """

    def __init__(self, module: fx.GraphModule, path: Path, places: dict[str, str]) -> None:
        super().__init__(module)
        self.path, self.places = path, places

    def fetch_attr(self, target: str) -> Any:
        """Return a constant's shape."""
        return super().fetch_attr(target).to("meta")

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; what it raises names its place.

        Raises:
            UnsupportedModelFile: it fails, or its result takes more than the file can ask for.
        """
        place = self.places.get(n.name, f"node {n.name!r}")
        try:
            result = super().run_node(n)
        except Exception as error:
            raise UnsupportedModelFile(self.path, place, f"cannot be run: {first_line(error)}") from error
        if isinstance(result, torch.Tensor):
            check_size(self.path, place, result.numel() * result.element_size())
        return result

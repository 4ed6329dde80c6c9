"""Maps for looking at, and files of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.files import replacing
from divulge.influence.figures import plot_images
from divulge.saliency.maps import SaliencyMaps

_COLUMNS = 10


def gallery(maps: SaliencyMaps, *, captions: Sequence[str] | None = None, title: str = "") -> NDArray[Any]:
    """Draw the maps of all targets, scaled for looking at, with nothing beneath them.

    Args:
        maps: what `agnostic_saliency` returned.
        captions: one for each target; by default its number or name.
        title: above them.

    Returns:
        The array of Axes, ten in a row.
    """
    names = list(captions or (str(target) for target in maps.targets))
    rows = [
        ("", maps.pictures[i : i + _COLUMNS], names[i : i + _COLUMNS]) for i in range(0, len(names), _COLUMNS)
    ]
    return plot_images(rows, title)


def comparison(
    first: SaliencyMaps,
    second: SaliencyMaps,
    *,
    names: tuple[str, str] = ("first", "second"),
    title: str = "",
) -> NDArray[Any]:
    """Draw the maps of two models for the same targets, each pair with the cosine of the angle between them.

    Returns:
        The array of Axes (2, targets).

    Raises:
        ValueError: the targets or shapes differ.
    """
    angles = [f"{float(c):.2f}" for c in cosines(first, second)]
    return plot_images(
        [(names[0], first.pictures, [str(t) for t in first.targets]), (names[1], second.pictures, angles)],
        title,
    )


def cosines(first: SaliencyMaps, second: SaliencyMaps) -> Tensor:
    """Return the cosine of the angle between two models' maps of each target, shape (T,).

    Raises:
        ValueError: the targets or shapes differ.
    """
    if first.targets != second.targets:
        raise ValueError(f"expected maps of the same targets, got {first.targets} and {second.targets}")
    if first.maps.shape != second.maps.shape:
        raise ValueError(
            f"expected maps of one shape, got {tuple(first.maps.shape)} and {tuple(second.maps.shape)}"
        )
    return torch.nn.functional.cosine_similarity(first.maps.flatten(1), second.maps.flatten(1), dim=1)


def save(maps: SaliencyMaps, path: str | Path) -> None:
    """Write maps to a file: all pictures as tiles of one image (.png), or arrays (.npz; the maps alone .npy).

    The .npz holds maps, pictures, images, reached, norms and the names of the targets.

    Raises:
        ValueError: another suffix.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise ValueError(f"expected a file named *.png, *.npz or *.npy, got {path.name}")
    with replacing(path) as file:
        _WRITERS[path.suffix](maps, file)


def _save_arrays(maps: SaliencyMaps, file: BinaryIO) -> None:
    arrays = {
        name: getattr(maps, name).numpy() for name in ("maps", "pictures", "images", "reached", "norms")
    }
    np.savez(file, targets=np.array([str(t) for t in maps.targets]), **arrays)


def _save_tiles(maps: SaliencyMaps, file: BinaryIO) -> None:
    from matplotlib.image import imsave

    imsave(file, _tiles(maps.pictures.float().numpy()), format="png", cmap="gray", vmin=0, vmax=1)


_WRITERS: dict[str, Callable[[SaliencyMaps, BinaryIO], None]] = {
    ".npy": lambda maps, file: np.save(file, maps.maps.numpy()),
    ".npz": _save_arrays,
    ".png": _save_tiles,
}


def _tiles(pictures: NDArray[Any]) -> NDArray[Any]:
    """Return pictures (T, channels, height, width) side by side, (H, W) or (H, W, 3)."""
    count, channels, height, width = pictures.shape
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    tiles = np.ones((rows * columns, channels, height, width), pictures.dtype)
    tiles[:count] = pictures
    grid = tiles.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    image: NDArray[Any] = grid.reshape(rows * height, columns * width, channels)
    return image if channels == 3 else np.asarray(image.mean(2))

"""Folders of images, with a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Index
from divulge.errors import UnreadableFile
from divulge.files import reading

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def read_images(folder: Path) -> tuple[NDArray[Any], Index, tuple[str, ...]]:
    """Return images in [0, 1], float32 (n, channels, height, width), class numbers (n,) and class names.

    Images are grey where all are, else RGB.

    Raises:
        UnreadableFile: an image is damaged or of another size, or there are not two folders with images.
    """
    folders = sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    files = [(part, sorted(f for f in part.iterdir() if f.suffix.lower() in IMAGES)) for part in folders]
    files = [(part, found) for part, found in files if found]
    if len(files) < 2:
        raise UnreadableFile(
            folder, "the folder", f"should hold a folder of images for each class, {len(files)} hold any"
        )
    images = [_read(path) for _, found in files for path in found]
    paths = [path for _, found in files for path in found]
    for path, image in zip(paths, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            height, width = images[0].shape[:2]
            raise UnreadableFile(
                path, "the image", f"is {image.shape[1]}x{image.shape[0]}, the first one is {width}x{height}"
            )
    if all(_is_grey(image) for image in images):
        images = [image[..., :1] for image in images]
    stacked = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255
    labels = np.repeat(np.arange(len(files)), [len(found) for _, found in files])
    return np.ascontiguousarray(stacked), labels, tuple(part.name for part, _ in files)


def _read(path: Path) -> NDArray[np.uint8]:
    """Read one image as RGB, shape (height, width, 3)."""
    from PIL import Image

    with reading(path, "image"), Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _is_grey(image: NDArray[np.uint8]) -> bool:
    """Whether the three channels are one."""
    return bool((image == image[..., :1]).all())

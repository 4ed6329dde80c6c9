"""BlockMNIST: images of which it is known which half decides the class (Shah, Jain, Netrapalli 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from divulge.datasets.dataset import Dataset
from divulge.datasets.load import mnist
from divulge.datasets.subset import subset
from divulge.names import POSITIONS

__all__ = ["BlockData", "block_mnist", "blockify", "simplified_block_mnist", "square"]


@dataclass(frozen=True)
class BlockData:
    """Inputs made of blocks, with the truth about which of their coordinates decide the class.

    Attributes:
        inputs: float32, shape (n, channels, 2 height, width) or (n, d).
        targets: classes, int64, shape (n,).
        signal_mask: bool, shape (n, 2 height, width) or (n, d): the block that decides this input's class.
        null_mask: bool, of the same shape: blocks that say nothing about any class.
    """

    inputs: Tensor
    targets: Tensor
    signal_mask: Tensor
    null_mask: Tensor

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.inputs.shape[1:])

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.targets.max()) + 1


def block_mnist(
    *,
    position: str = "random",
    signal: Sequence[int] = (0, 1),
    null: str | Tensor = "square",
    part: str = "train",
    images: int | None = None,
    seed: int = 0,
) -> BlockData:
    """Return BlockMNIST: a digit, which decides the class, and the same square in every image, stacked.

    Args:
        position: where the digit is: "random" (top or bottom, equally likely), "top" or "bottom".
        signal: the digits that are the classes, in the order of their numbers.
        null: the other block: "square", "zero", or an image (1, 28, 28) in [0, 1].
        part: "train" or "test".
        images: how many are drawn; all of them by default.
        seed: of the draw and of the positions.

    Returns:
        inputs of shape (n, 1, 56, 28) in [0, 1], targets, and masks of shape (n, 56, 28).

    Raises:
        ValueError: one of these cannot be, or a class has no image.
        FileNotFoundError: MNIST is neither at hand nor can it be downloaded.
    """
    return blockify(mnist(), position=position, signal=signal, null=null, part=part, images=images, seed=seed)


def blockify(
    data: Dataset,
    *,
    position: str = "random",
    signal: Sequence[int] | None = None,
    null: str | Tensor = "square",
    part: str = "train",
    images: int | None = None,
    seed: int = 0,
) -> BlockData:
    """Stack each image of a data set with a block that is the same in all of them; see `block_mnist`.

    Args:
        data: images (n, channels, height, width) in [0, 1].
        position: of the image: "random", "top" or "bottom".
        signal: the classes kept; all of them by default.
        null: the other block: "square", "zero", or an image (channels, height, width).
        part: "train" or "test".
        images: how many are drawn; all of them by default.
        seed: of the draw and of the positions.

    Raises:
        ValueError: one of these cannot be, or a class has no image.
    """
    if position not in POSITIONS:
        raise ValueError(f"expected a position {', '.join(POSITIONS)}, got {position!r}")
    if part not in ("train", "test"):
        raise ValueError(f"expected a part 'train' or 'test', got {part!r}")
    if len(data.input_shape) != 3:
        raise ValueError(f"expected images (channels, height, width), got inputs {data.input_shape}")
    train = part == "train"
    data = subset(
        data, classes=signal, train=images if train else None, test=None if train else images, seed=seed
    )
    pictures, targets = (
        (data.train_inputs, data.train_targets) if train else (data.test_inputs, data.test_targets)
    )
    # Another stream for each part: equal positions would be a coincidence of rows.
    generator = torch.Generator().manual_seed(2 * seed + train)
    on_top = torch.rand(len(targets), generator=generator) < {"random": 0.5, "top": 2, "bottom": -1}[position]
    other = _null_block(null, data.input_shape).expand_as(pictures)
    first = on_top[:, None, None, None]
    inputs = torch.cat([torch.where(first, pictures, other), torch.where(first, other, pictures)], dim=2)
    height, width = data.input_shape[1:]
    in_top = (torch.arange(2 * height) < height)[None, :, None].expand(len(targets), -1, width)
    signal_mask = in_top == on_top[:, None, None]
    return BlockData(inputs, targets, signal_mask, ~signal_mask)


def simplified_block_mnist(
    n: int, *, blocks: int = 10, dimension: int = 1, eta: float = 0.1, seed: int = 0
) -> BlockData:
    """Draw inputs of d blocks, one of the first d / 2 of which holds the signal and the others noise.

    x = (x_1, ..., x_d), x_i = eta g_i + [i = j] s u, with j uniform on the first d / 2 blocks, the sign s
    uniform on {-1, 1}, g_i uniform in the unit ball and u = (1, ..., 1) / sqrt(dimension); the class is 1
    where s = 1, else 0 (Shah, Jain, Netrapalli 2021, section 5).

    Args:
        n: inputs drawn.
        blocks: d, an even number.
        dimension: of a block.
        eta: size of the noise.
        seed: of everything drawn.

    Returns:
        inputs of shape (n, blocks dimension); the signal mask is that of block j, the null mask that of the
        last d / 2 blocks.

    Raises:
        ValueError: one of these cannot be.
    """
    if min(n, dimension) < 1:
        raise ValueError(f"expected at least one input and one dimension, got {n} and {dimension}")
    if blocks < 2 or blocks % 2:
        raise ValueError(f"expected an even number of blocks, got {blocks}")
    if not eta >= 0:
        raise ValueError(f"expected noise of a size of at least 0, got {eta}")
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 2, (n,), generator=generator)
    place = torch.randint(0, blocks // 2, (n,), generator=generator)
    noise = torch.randn(n, blocks, dimension, generator=generator)
    radius = torch.rand(n, blocks, 1, generator=generator) ** (1 / dimension)
    inputs = eta * radius * noise / noise.norm(dim=2, keepdim=True)
    inputs[torch.arange(n), place] += ((2 * targets - 1) / dimension**0.5)[:, None]
    numbers = torch.arange(blocks).repeat_interleave(dimension)
    null_mask = (numbers >= blocks // 2).expand(n, -1).clone()
    return BlockData(inputs.flatten(1), targets, numbers == place[:, None], null_mask)


def square(shape: Sequence[int]) -> Tensor:
    """Return an image (channels, height, width), black but for the outline of a square in its middle."""
    channels, height, width = shape
    side, line = round(0.6 * min(height, width)), max(1, round(min(height, width) / 14))
    top, left = (height - side) // 2, (width - side) // 2
    image = torch.zeros(channels, height, width)
    image[:, top : top + side, left : left + side] = 1
    image[:, top + line : top + side - line, left + line : left + side - line] = 0
    return image


def _null_block(null: str | Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the image (channels, height, width) that says nothing."""
    if isinstance(null, Tensor):
        if tuple(null.shape) != shape:
            raise ValueError(f"expected a null block of shape {shape}, got {tuple(null.shape)}")
        return null.float()
    if null == "square":
        return square(shape)
    if null == "zero":
        return torch.zeros(shape)
    raise ValueError(f"expected a null block 'square', 'zero' or an image, got {null!r}")

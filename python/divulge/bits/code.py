"""The code of a network: which of the shared random weights each block is, and the file that says so."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.bits.candidates import candidates
from divulge.errors import UnreadableFile
from divulge.files import reading, replacing

_MAGIC = b"DVB1"
# Seed, weights, blocks, bits a block, bytes a number, whether a prior is needed, parameters, bytes of the
# chain of layers and of what lies beside the parameters, and the check of the weights.
_HEAD = struct.Struct("<4sQIIBBBHHII")
MOST_BLOCK_BITS = 20
MOST_WEIGHTS = 1 << 26


@dataclass(frozen=True)
class Code:
    """A network in bits.

    Attributes:
        indices: of each block the candidate that it is, int64, shape (B,), below 2^block_bits.
        block_bits: bits of each index.
        seed: of the candidates, and of which weights are in which block.
        count: weights.
        dtype: their precision.
        deviations: the prior's, of each parameter, numbers of float32, shape (G,).
        layers: the chain of layers in compressed words; empty where the module is none.
        beside: the module's buffers, compressed; empty where it has none.
        given_prior: whether the candidates lie around another network's weights, which a decoder must have.
        check: CRC-32 of the weights.
    """

    indices: Index
    block_bits: int
    seed: int
    count: int
    dtype: torch.dtype
    deviations: Array
    layers: bytes
    beside: bytes
    given_prior: bool
    check: int

    @property
    def bits(self) -> int:
        """The length of the file, in bits."""
        return 8 * len(self.to_bytes())

    def weights(self, group: Tensor, prior_mean: Tensor | None = None) -> Tensor:
        """Return the weights, shape (N,): the prior's mean and, times its deviation, the candidates named.

        Args:
            group: which deviation each weight has, int64, shape (N,).
            prior_mean: shape (N,), or None for 0.

        Raises:
            ValueError: other weights than those that were coded, for want of the same prior or the same
                numbers.
        """
        places = places_of(self.count, len(self.indices), self.seed)
        size = places.shape[1]
        drawn = [candidates(self.seed, b, size, int(k), 1)[0] for b, k in enumerate(self.indices)]
        used = places >= 0
        normal = torch.empty(self.count, dtype=torch.float64)
        normal[places[used]] = torch.from_numpy(np.stack(drawn))[used]
        found = told_weights(normal, torch.from_numpy(self.deviations)[group], prior_mean, self.dtype)
        if check_of(found) != self.check:
            raise ValueError(
                "the weights are not those that were coded: the prior is another"
                if self.given_prior
                else "the weights are not those that were coded: the code is damaged"
            )
        return found

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        wide = self.dtype == torch.float64
        head = _HEAD.pack(
            _MAGIC, self.seed, self.count, len(self.indices), self.block_bits, 8 if wide else 4,
            self.given_prior, len(self.deviations), len(self.layers), len(self.beside),
            self.check,
        )  # fmt: skip
        shifts = np.arange(self.block_bits)
        bits = (self.indices[:, None] >> shifts & 1).astype(np.uint8)
        deviations = np.asarray(self.deviations, "<f4").tobytes()
        return head + self.layers + self.beside + deviations + np.packbits(bits, bitorder="little").tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> Code:
        """Return the code that a file's content is.

        Raises:
            ValueError: it is none.
        """
        if len(content) < _HEAD.size or content[:4] != _MAGIC:
            raise ValueError("it does not begin as one")
        _, seed, count, blocks, block_bits, width, prior, groups, words, beside, check = _HEAD.unpack_from(
            content
        )
        if (
            width not in (4, 8)
            or not 1 <= block_bits <= MOST_BLOCK_BITS
            or not 1 <= blocks <= count <= MOST_WEIGHTS
        ):
            raise ValueError("its first bytes hold numbers that no code has")
        length = _HEAD.size + words + beside + 4 * groups + -(-blocks * block_bits // 8)
        if len(content) != length:
            raise ValueError(f"expected {length} bytes, got {len(content)}")
        middle = _HEAD.size + words
        at = middle + beside
        deviations = np.frombuffer(content, "<f4", groups, at).astype(np.float64)
        packed = np.frombuffer(content, np.uint8, offset=at + 4 * groups)
        bits = np.unpackbits(packed, count=blocks * block_bits, bitorder="little").reshape(blocks, block_bits)
        return cls(
            (bits.astype(np.int64) << np.arange(block_bits)).sum(axis=1),
            block_bits,
            seed,
            count,
            torch.float64 if width == 8 else torch.float32,
            deviations,
            content[_HEAD.size : middle],
            content[middle:at],
            bool(prior),
            check,
        )

    def save(self, path: str | Path) -> None:
        """Write the file.

        Raises:
            OSError: it cannot be written.
        """
        with replacing(path) as file:
            file.write(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Code:
        """Read a file that `save` wrote.

        Raises:
            UnreadableFile: it is damaged or something else.
            OSError: it cannot be read.
        """
        with reading(path, "code of a network", UnreadableFile):
            return cls.from_bytes(Path(path).read_bytes())


def places_of(count: int, blocks: int, seed: int) -> Tensor:
    """Return the weights of each block, int64, shape (B, size), -1 where there is none: the same everywhere.

    Stretches of a random order, the first ones longer by one weight where they do not come out even. The
    order is that of raw words of NumPy's Philox, whose stream does not change between versions.
    """
    words = np.random.Philox(key=np.array([seed, 1 << 63], np.uint64)).random_raw(count)
    order = np.argsort(words, kind="stable")
    places = np.full((blocks, -(-count // blocks)), -1)
    for row, part in zip(places, np.array_split(order, blocks), strict=True):
        row[: len(part)] = part
    return torch.from_numpy(places)


def told_weights(normal: Tensor, deviation: Tensor, prior_mean: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return m + s z in a precision: one multiplication and one addition in float64, rounded once."""
    scaled = normal.double() * deviation.double()
    return (scaled if prior_mean is None else prior_mean.double() + scaled).to(dtype)


def check_of(weights: Tensor) -> int:
    """Return CRC-32 of the weights' bytes, little end first."""
    numbers = weights.numpy()
    return crc32(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes())

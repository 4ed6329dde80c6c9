"""A small transformer that names the next byte of a text, and texts of Python's own standard library."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

VOCABULARY = 128


class Block(nn.Module):
    """Attention to what came before, and a hidden layer, each added to what they see."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out, self.up, self.down = (
            nn.Linear(width, width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, T, width)."""
        y = self.first(x)
        q, k, v = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(-2))
        return x + self.down(nn.functional.gelu(self.up(self.second(x))))


class ByteModel(nn.Module):
    """From bytes (n, T) to scores (n, T, 128) of the bytes that follow."""

    def __init__(self, width: int = 64, layers: int = 2, heads: int = 4, length: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)
        for table in (self.embed, self.place):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, text: Tensor) -> Tensor:
        """Return scores of the byte after each."""
        x = self.embed(text) + self.place.weight[: text.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def byte_model(seed: int = 0, **sizes: int) -> ByteModel:
    """Return an untrained model of a seed, in evaluation mode."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = ByteModel(**sizes).eval()
    torch.set_rng_state(state)
    return model


def texts(count: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pieces of the standard library's files as bytes (n, T), and the bytes that follow (n, T)."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    held = b"\n".join(file.read_bytes() for file in files)
    numbers = np.frombuffer(held, np.uint8)
    numbers = numbers[numbers < VOCABULARY].astype(np.int64)
    pieces = numbers[: len(numbers) // (length + 1) * (length + 1)].reshape(-1, length + 1)
    chosen = pieces[np.random.default_rng(seed).choice(len(pieces), count, replace=False)]
    return chosen[:, :-1], chosen[:, 1:]

"""A smooth module in a file of its own, so that worker processes can import its class."""

import torch
from torch import nn


class Smooth(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(6, 8), nn.Dropout(), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.first(x))))


def smooth():
    """The module with its weights drawn from seed 0."""
    torch.manual_seed(0)
    return Smooth()

"""What an API may do against being copied: oracles that wrap another and tell less, or keep watch."""

from divulge.oracles.defences.base import Defence
from divulge.oracles.defences.budget import Budget
from divulge.oracles.defences.cached import Cached
from divulge.oracles.defences.grouped import Grouped, correlated_groups
from divulge.oracles.defences.numbers import Noisy, Rounded
from divulge.oracles.defences.partial import Clipped, Normalized, SignOnly, TopK
from divulge.oracles.defences.prada import Prada
from divulge.oracles.defences.private import Private, Spent

__all__ = [
    "Budget",
    "Cached",
    "Clipped",
    "Defence",
    "Grouped",
    "Noisy",
    "Normalized",
    "Prada",
    "Private",
    "Rounded",
    "SignOnly",
    "Spent",
    "TopK",
    "correlated_groups",
]

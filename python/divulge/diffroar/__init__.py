"""Does an attribution point at what a model uses? (Shah, Jain, Netrapalli 2021)."""

from divulge.diffroar.attributions import METHODS, Attribution, attribute
from divulge.diffroar.leakage import Leakage, leakage
from divulge.diffroar.unmasking import unmask

__all__ = ["METHODS", "Attribution", "Leakage", "attribute", "leakage", "unmask"]

"""Oracles: what may be asked of a victim, and the ledger that counts it."""

from divulge.oracles.base import Oracle
from divulge.oracles.callable import CallableOracle
from divulge.oracles.gradient import GradientOracle
from divulge.oracles.ledger import Ledger

__all__ = ["CallableOracle", "GradientOracle", "Ledger", "Oracle"]

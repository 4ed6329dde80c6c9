"""Names by which a command line or a configuration file chooses; nothing is imported to know them."""

from __future__ import annotations

PRECISIONS = ("float32", "float64")
# Where the digit of BlockMNIST lies.
POSITIONS = ("random", "top", "bottom")
# Of the ball round an input that an adversary stays in.
NORMS = ("linf", "l2")
# Searches for triggers.
SCANS = ("agnostic", "neural-cleanse")
# What a surrogate's queries are about.
QUERIES = ("data", "gaussian", "mixed", "spread", "adaptive")

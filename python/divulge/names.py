"""Names by which a command line or a configuration file chooses; nothing is imported to know them."""

from __future__ import annotations

DATASETS = ("digits", "mnist", "fashion-mnist", "cifar10")
PRECISIONS = ("float32", "float64")
# Where the digit of BlockMNIST lies, and what is trained on such images.
POSITIONS = ("random", "top", "bottom")
BLOCK_NETWORKS = ("cnn", "mlp")
# Of the ball round an input that an adversary stays in.
NORMS = ("linf", "l2")
# Searches for triggers.
SCANS = ("agnostic", "neural-cleanse")
SURROGATES = ("linear", "mlp", "cnn")
# What a surrogate's queries are about.
QUERIES = ("data", "gaussian", "mixed", "spread", "adaptive")

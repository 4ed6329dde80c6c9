"""Plain NumPy twins of the compiled core: what tests compare it with, and the baseline of benchmarks."""

from divulge.reference import (
    kink_search,
    least_squares,
    masked_least_squares,
    match_rows,
    network,
    random,
    reconstruct_batch,
)

__all__ = [
    "kink_search",
    "least_squares",
    "masked_least_squares",
    "match_rows",
    "network",
    "random",
    "reconstruct_batch",
]

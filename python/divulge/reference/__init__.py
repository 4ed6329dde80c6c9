"""Plain NumPy and PyTorch twins of the compiled core: what tests and benchmarks compare it with."""

from divulge.reference import (
    boosting,
    curvature,
    glm,
    kink_search,
    kronecker,
    least_squares,
    masked_least_squares,
    match_rows,
    network,
    random,
    reconstruct_batch,
    unmask,
)

__all__ = [
    "boosting",
    "curvature",
    "glm",
    "kink_search",
    "kronecker",
    "least_squares",
    "masked_least_squares",
    "match_rows",
    "network",
    "random",
    "reconstruct_batch",
    "unmask",
]

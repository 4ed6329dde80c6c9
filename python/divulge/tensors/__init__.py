"""The compiled hot paths on tensors: the processor works on those in its memory, a CUDA device on its own.

Results come back where the tensors are. Nothing on a device waits for it, but for the number of kinks found.
"""

from divulge.tensors.curvature import Curvature
from divulge.tensors.kinks import KinkSearch, enumerate_kinks, kink_search, values_and_gradients
from divulge.tensors.masked import masked_least_squares, sign_patterns

__all__ = [
    "Curvature",
    "KinkSearch",
    "enumerate_kinks",
    "kink_search",
    "masked_least_squares",
    "sign_patterns",
    "values_and_gradients",
]

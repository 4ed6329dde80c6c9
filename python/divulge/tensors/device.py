"""Where tensors are, and the back end for it."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

__all__ = ["backend", "blas_handle", "on_device", "place", "same_place"]

_MISSING = (
    "the tensors are on {device}, and divulge was built without CUDA: with nvcc at hand, "
    "pip install . -C cmake.define.DIVULGE_CUDA=ON builds it in; or move them with .cpu()"
)


def on_device(tensor: Tensor) -> bool:
    """Return whether a tensor is a CUDA device's."""
    return tensor.device.type == "cuda"


def same_place(**tensors: Tensor) -> None:
    """Check that tensors are on one device.

    Raises:
        TypeError: one is no tensor.
        ValueError: one is elsewhere than the first, or neither the processor's nor a CUDA device's.
    """
    first: tuple[str, torch.device] | None = None
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected {name} as a tensor, got {type(tensor).__name__}")
        if tensor.device.type not in ("cpu", "cuda"):
            raise ValueError(f"expected {name} on cpu or cuda, got {tensor.device}")
        first = first or (name, tensor.device)
        if tensor.device != first[1]:
            raise ValueError(f"expected {name} on {first[1]} like {first[0]}, got {tensor.device}")


def backend(tensor: Tensor) -> Any:
    """Return `divulge._cuda` for a tensor on a device.

    Raises:
        RuntimeError: divulge was built without it.
    """
    try:
        return import_module("divulge._cuda")
    except ImportError as error:
        raise RuntimeError(_MISSING.format(device=tensor.device)) from error


def place(tensor: Tensor) -> tuple[int, int]:
    """Return the current stream and the number of a tensor's device."""
    return torch.cuda.current_stream(tensor.device).cuda_stream, tensor.device.index or 0


def blas_handle(tensor: Tensor) -> int:
    """Return PyTorch's cuBLAS handle for the current stream of a tensor's device, its functions handed on."""
    _hand_over()
    with torch.cuda.device(tensor.device):
        return int(torch.cuda.current_blas_handle())  # type: ignore[no-untyped-call]


@cache
def _hand_over() -> None:
    """Give the back end the products of the cuBLAS that PyTorch has loaded."""
    library = ctypes.CDLL(loaded_library("libcublas.so"))
    addresses = [ctypes.cast(getattr(library, f"cublas{t}gemm_v2"), ctypes.c_void_p).value for t in "SD"]
    import_module("divulge._cuda").set_blas(*addresses)


def loaded_library(name: str) -> str:
    """Return the path of a library that this process has loaded.

    Raises:
        RuntimeError: there is none of that name.
    """
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if path.rpartition("/")[2].startswith(name):
                return "/" + path
    raise RuntimeError(f"expected that PyTorch has loaded {name}, found none")

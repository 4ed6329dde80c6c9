"""How this copy of divulge was built, and how many threads it uses."""

from importlib import import_module
from operator import index
from typing import TypedDict, cast

from divulge import _core

__all__ = ["BuildConfig", "build_config", "has_cuda", "set_threads", "threads"]

_MOST_THREADS = 2**31 - 1  # what a C int holds


class BuildConfig(TypedDict):
    """What `build_config` returns."""

    version: str
    compiler: str
    flags: str
    blas: str
    cuda_architectures: list[str]
    threads: int


def build_config() -> BuildConfig:
    """Describe the compiled core.

    Keys: `version` of the core, `compiler` with its version, compiler `flags`, `blas` with version and
    target, `cuda_architectures` (empty when built without CUDA), `threads` in use.
    """
    config = cast("BuildConfig", _core.build_config())
    config["cuda_architectures"] = _cuda_architectures()
    return config


def has_cuda() -> bool:
    """Return whether the CUDA kernels were built."""
    return bool(_cuda_architectures())


def _cuda_architectures() -> list[str]:
    try:
        names = import_module("divulge._cuda").architectures
    except ImportError:
        return []
    return [f"sm_{name.removesuffix('-real')}" for name in names.split(",")]


def threads() -> int:
    """Return the number of threads that the compiled core uses, the calling one included."""
    return _core.threads()


def set_threads(n: int) -> None:
    """Let the compiled core use `n` threads, the calling one included.

    At first it is the environment's `DIVULGE_NUM_THREADS`, otherwise the number of processors that the
    process may use. Results do not depend on it.

    Raises:
        ValueError: n is below 1, or more than a C int holds.
        TypeError: n is no whole number.
    """
    try:
        count = index(n)
    except TypeError:
        count = None
    if count is None or isinstance(n, bool):
        raise TypeError(f"set_threads: expected a whole number of threads, got {n!r}")
    if count < 1:
        raise ValueError(f"set_threads: expected at least 1 thread, got {count}")
    if count > _MOST_THREADS:
        raise ValueError(f"set_threads: expected at most {_MOST_THREADS} threads, got {count}")
    _core.set_threads(count)

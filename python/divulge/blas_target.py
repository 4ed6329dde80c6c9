"""Choosing OpenBLAS's kernels before it is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "OPENBLAS_CORETYPE"
_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


@contextmanager
def widest_kernels(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[None]:
    """Make an OpenBLAS that is loaded inside use 512-bit kernels where the processor has them.

    OpenBLAS chooses by a list of known models and runs newer AMD processors with 256-bit kernels, at half
    the speed. A choice that the user made in the environment stands.
    """
    if _VARIABLE in os.environ or not _is_amd_with_avx512(cpuinfo):
        yield
        return
    os.environ[_VARIABLE] = "SkylakeX"
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


def _is_amd_with_avx512(cpuinfo: Path) -> bool:
    """Read the first processor's maker and instruction sets, as Linux tells them."""
    maker = ""
    try:
        with cpuinfo.open() as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "vendor_id":
                    maker = value.strip()
                if name.strip() == "flags":
                    return maker == "AuthenticAMD" and set(value.split()) >= _AVX512
    except OSError:  # no Linux
        pass
    return False

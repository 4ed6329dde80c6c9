"""Where the parity tests run: the processor, a CUDA device, the kernels of the latter on the host; Ctrl-C."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import product

import pytest
import torch
from compiled import Compiled


@pytest.fixture(scope="session", autouse=True)
def threads_are_shared() -> None:
    """Leave each of several processes of tests its share of the processors."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_arrives() -> None:
    """Let Ctrl-C be seen where the tests run in the background, whose processes a shell has ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _cuda_is_missing() -> str | None:
    if not torch.cuda.is_available():
        return "no CUDA device"
    try:
        import_module("divulge._cuda")
    except ImportError:
        return "divulge was built without CUDA"
    return None


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda), "host"])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """Return cpu, cuda where there is one, or cpu with the CUDA kernels run by threads of the host.

    The last needs the extension that -DDIVULGE_CUDA_ON_HOST=ON builds, named by DIVULGE_CUDA_ON_HOST.
    """
    if request.param == "cuda" and (reason := _cuda_is_missing()):
        pytest.skip(reason)
    path = os.environ.get("DIVULGE_CUDA_ON_HOST")
    if request.param == "host" and path is None:
        pytest.skip("needs DIVULGE_CUDA_ON_HOST, the extension built for the host")
    with pytest.MonkeyPatch.context() as monkeypatch:
        if request.param == "host":
            _run_on_host(str(path), monkeypatch)
        yield torch.device("cuda" if request.param == "cuda" else "cpu")


@pytest.fixture(scope="module")
def compiled(device: torch.device) -> Compiled:
    """Return the compiled hot paths as functions of arrays, run where `device` says."""
    return Compiled(device)


@pytest.fixture
def cuda() -> torch.device:
    """Return a CUDA device; skips where there is none."""
    if reason := _cuda_is_missing():
        pytest.skip(reason)
    return torch.device("cuda")


def _run_on_host(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_from_loader("divulge._cuda", ExtensionFileLoader("divulge._cuda", path))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get("divulge._cuda_on_host")
    if module is None:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules["divulge._cuda_on_host"] = module
    library = ctypes.CDLL(path)
    products = (library.divulge_host_sgemm, library.divulge_host_dgemm)
    module.set_blas(*(ctypes.cast(f, ctypes.c_void_p).value for f in products))
    stand_ins = {
        "on_device": lambda tensor: True,
        "place": lambda tensor: (0, 0),
        "backend": lambda tensor: module,
    }
    for user, name in product(("masked", "kinks", "launch", "curvature"), stand_ins):
        monkeypatch.setattr(f"divulge.tensors.{user}.{name}", stand_ins[name], raising=False)
    monkeypatch.setattr(import_module("divulge.tensors.curvature"), "blas_handle", lambda tensor: 0)

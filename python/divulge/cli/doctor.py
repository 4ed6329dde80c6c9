"""divulge doctor: what a bug report should hold, and whether the compiled core computes what it should."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "matplotlib")
EXTRAS = (
    "onnx",
    "onnxruntime",
    "xgboost",
    "lightgbm",
    "lime",
    "captum",
    "shap",
    "interpret-core",
    "dask",
    "distributed",
    "ray",
    "faiss-cpu",
)
FAILED = 2


@dataclass(frozen=True)
class Options:
    """As given on the command line."""

    as_json: bool


def run(options: Options) -> int:
    """Print versions, back ends, threads, data, device and the self-test; return 0 where it passes."""
    found = diagnosis()
    if options.as_json:
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        width = max(map(len, found))
        for name, text in found.items():
            print(f"{name:{width}}  {text}")  # noqa: T201
    return 0 if found["self-test"].startswith("passed") else FAILED


def diagnosis() -> dict[str, str]:
    """Return what is known of this installation, each as one line; what cannot be told says why."""
    parts: dict[str, Callable[[], str]] = {
        "python": lambda: (
            f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} processors"
        ),
        "core": _core,
        "packages": lambda: _versions(NEEDED),
        "extras": lambda: _versions(EXTRAS),
        "threads": _threads,
        "device": _device,
        "data": _data,
        "self-test": _self_test,
    }
    return {"divulge": _said(_version), **{name: _said(part) for name, part in parts.items()}}


def _said(part: Callable[[], str]) -> str:
    """Return what a part says, or what went wrong in it: an installation that is broken is described, too."""
    try:
        return part()
    except Exception as error:
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())}"


def _version() -> str:
    from divulge import __file__, __version__

    return f"{__version__} in {Path(__file__).parent}"


def _core() -> str:
    from divulge import build_config

    built = build_config()
    kernels = ", ".join(built["cuda_architectures"]) or "none"
    return f"{built['compiler']}, {built['flags']}; {built['blas']}; CUDA kernels: {kernels}"


def _versions(names: tuple[str, ...]) -> str:
    """Return names with their versions; those that are not installed come last."""
    there, missing = [], []
    for name in names:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return ", ".join(there + ([f"not installed: {' '.join(missing)}"] if missing else []))


def _threads() -> str:
    import torch

    from divulge import threads

    return (
        f"{threads()} of the core (DIVULGE_NUM_THREADS), {torch.get_num_threads()} of torch (OMP_NUM_THREADS)"
    )


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "no CUDA device that torch sees"
    return ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))


def _data() -> str:
    """Return where data sets are read from, and which are there."""
    folder = os.environ.get("DIVULGE_DATA")
    if not folder:
        return "DIVULGE_DATA is not set: data sets are downloaded into the user's cache when first asked for"
    if not Path(folder).is_dir():
        return f"DIVULGE_DATA names {folder}, which is not a folder"
    found = sorted(part.name for part in Path(folder).iterdir() if part.is_dir())
    return f"{folder}: {', '.join(found) or 'empty'}"


def _self_test() -> str:
    """Rebuild a random network of 16 units from its answers, and compare it with the original."""
    import torch

    from divulge import GradientOracle, Victim, compare, reconstruct
    from divulge.training import mlp

    start = time.perf_counter()
    victim = Victim(mlp((20,), (16,), 2, dtype=torch.float64))
    copy = reconstruct(GradientOracle(victim))
    error = compare(copy, victim).max_output_error
    if not (copy.complete and error < 1e-9):
        return f"failed: outputs of a copy of 16 units differ by {error:.1e}, complete is {copy.complete}"
    seconds = time.perf_counter() - start
    return f"passed: 16 units rebuilt, outputs differ by at most {error:.0e}, {seconds:.1f} s"

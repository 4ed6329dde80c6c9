import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import numpy as np
import pytest

import divulge
from divulge import _core


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = divulge.threads()
    yield
    divulge.set_threads(before)


def test_core_package_and_metadata_agree_on_the_version() -> None:
    assert divulge.__version__ == _core.__version__ == metadata.version("divulge")


def test_build_config_names_what_it_was_built_with() -> None:
    config = divulge.build_config()
    assert config["version"] == divulge.__version__
    assert "GNU" in config["compiler"] or "Clang" in config["compiler"]
    assert "-O3" in config["flags"]
    assert "-ffast-math" not in config["flags"]
    assert "OpenBLAS" in config["blas"]
    assert config["cuda_architectures"] == [] or "sm_90" in config["cuda_architectures"]
    assert config["threads"] == divulge.threads() >= 1


@pytest.mark.parametrize("n", [1, 3])
def test_set_threads_is_seen_by_the_core(n: int, restored_threads: None) -> None:
    divulge.set_threads(n)
    assert divulge.threads() == divulge.build_config()["threads"] == n


@pytest.mark.parametrize("n", [0, -2, -(10**30)])
def test_set_threads_refuses_less_than_one(n: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 thread, got {n}"):
        divulge.set_threads(n)


@pytest.mark.parametrize("n", [1.5, 2.0, "2", None, True, np.float64(2), [1]])
def test_set_threads_names_what_is_no_whole_number(n: object) -> None:
    before = divulge.threads()
    with pytest.raises(TypeError, match="expected a whole number of threads, got " + re.escape(repr(n))):
        divulge.set_threads(n)  # type: ignore[arg-type]
    assert divulge.threads() == before


@pytest.mark.parametrize("n", [2**31, 10**30])
def test_set_threads_refuses_more_than_can_be_counted(n: int) -> None:
    with pytest.raises(ValueError, match=f"expected at most 2147483647 threads, got {n}"):
        divulge.set_threads(n)


def test_set_threads_takes_whole_numbers_of_numpy(restored_threads: None) -> None:
    divulge.set_threads(np.int64(2))  # type: ignore[arg-type]
    assert divulge.threads() == 2


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("0", None), ("2x", None)])
def test_environment_sets_the_first_number_of_threads(value: str, expected: int | None) -> None:
    command = [sys.executable, "-c", "from divulge import _core; print(_core.threads())"]
    environment = {**os.environ, "DIVULGE_NUM_THREADS": value}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert int(printed) == (expected or len(os.sched_getaffinity(0)))

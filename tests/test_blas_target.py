import os
import subprocess
import sys
from pathlib import Path

import pytest

import divulge
from divulge.blas_target import _is_amd_with_avx512, widest_kernels

FLAGS = "fpu avx2 avx512f avx512cd avx512bw avx512dq avx512vl"


def cpuinfo(tmp_path, maker, flags):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nvendor_id\t: {maker}\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    return path


@pytest.mark.parametrize(
    ("maker", "flags", "expected"),
    [("AuthenticAMD", FLAGS, "SkylakeX"), ("GenuineIntel", FLAGS, None), ("AuthenticAMD", "avx2", None)],
)
def test_only_amd_processors_with_avx512_are_told(tmp_path, monkeypatch, maker, flags, expected):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    with widest_kernels(cpuinfo(tmp_path, maker, flags)):
        assert os.environ.get("OPENBLAS_CORETYPE") == expected
    assert "OPENBLAS_CORETYPE" not in os.environ


def test_a_choice_in_the_environment_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    with widest_kernels(cpuinfo(tmp_path, "AuthenticAMD", FLAGS)):
        assert os.environ["OPENBLAS_CORETYPE"] == "Zen"
    assert os.environ["OPENBLAS_CORETYPE"] == "Zen"


def test_elsewhere_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    with widest_kernels(tmp_path / "missing"):
        assert "OPENBLAS_CORETYPE" not in os.environ


def test_the_core_is_loaded_with_them():
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    program = "import divulge; print(divulge.build_config()['blas'])"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    if _is_amd_with_avx512(Path("/proc/cpuinfo")):
        assert "SkylakeX" in printed
    assert "OpenBLAS" in printed
    assert divulge.build_config()["blas"]

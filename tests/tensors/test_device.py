from __future__ import annotations

import ctypes

import pytest
import torch

from divulge.tensors.device import loaded_library, same_place


def test_a_loaded_library_is_found_and_opened():
    path = loaded_library("libtorch_cpu.so")
    assert path.endswith("libtorch_cpu.so")
    assert ctypes.CDLL(path)
    with pytest.raises(RuntimeError, match=r"PyTorch has loaded libnothing\.so, found none"):
        loaded_library("libnothing.so")


def test_tensors_in_two_places_are_named():
    one = torch.ones(2)
    with pytest.raises(ValueError, match="vectors on cpu or cuda, got meta"):
        same_place(inputs=one, vectors=one.to("meta"))
    with pytest.raises(TypeError, match="vectors as a tensor, got list"):
        same_place(inputs=one, vectors=[1.0])

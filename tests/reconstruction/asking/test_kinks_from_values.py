"""The search of piecewise-affine functions of one variable, against functions whose kinks are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.reconstruction.asking.kinks_from_values import RunSearch
from divulge.reconstruction.asking.stopped import Stopped

EPS = np.finfo(float).eps


class Lines:
    """Piecewise-affine functions of t: f_l(t) = a t + b + sum_k jump_k max(t - kink_k, 0)."""

    def __init__(self, kinks: list[np.ndarray], jumps: list[np.ndarray]) -> None:
        self.kinks, self.jumps = kinks, jumps
        self.asked = self.calls = 0

    def __call__(self, line: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked, self.calls = self.asked + len(t), self.calls + 1
        value = 0.3 * t - 0.2
        for k, (kinks, jumps) in enumerate(zip(self.kinks, self.jumps, strict=True)):
            own = line == k
            value[own] += np.maximum(t[own, None] - kinks, 0) @ jumps
        return value, 8 * EPS * (1 + np.abs(value) + np.abs(t))


def found_kinks(lines: Lines, low: float, high: float) -> list[np.ndarray]:
    count = len(lines.kinks)
    search = RunSearch(lines, np.full(count, low), np.full(count, high), np.ones(count))
    runs = search.run()
    left = search.gaps()
    meet, _ = search.crossings(left)
    return [meet[runs.line[left] == k] for k in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), counts=st.lists(st.integers(0, 20), min_size=1, max_size=4), far=st.booleans()
)
def test_every_kink_to_rounding(seed, counts, far):
    rng = np.random.default_rng(seed)
    low, high = (-1e3, 1e3) if far else (0.0, 1.0)
    kinks, jumps = [], []
    for n in counts:
        spread = np.sort(rng.uniform(0.01, 0.99, n))
        spread = spread[np.diff(spread, prepend=-1) > 1e-4]
        kinks.append(np.tan((spread - 0.5) * np.pi) if far else spread)
        jumps.append(rng.uniform(0.05, 1, len(spread)) * rng.choice([-1, 1], len(spread)))
    lines = Lines(kinks, jumps)
    found = found_kinks(lines, low, high)
    for ours, true in zip(found, kinks, strict=True):
        assert len(ours) == len(true)
        np.testing.assert_allclose(ours, true, atol=1e-9, rtol=1e-9)
    total = sum(map(len, kinks))
    assert lines.asked <= 40 * len(counts) + 20 * total
    assert lines.calls <= 60


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7])
def test_two_close_kinks_of_opposite_sign(gap):
    # their tangents meet outside the pair, where a value proves nothing
    lines = Lines([np.array([0.37, 0.37 + gap])], [np.array([1.0, -0.9])])
    (found,) = found_kinks(lines, 0.0, 1.0)
    np.testing.assert_allclose(found, lines.kinks[0], atol=1e-6 * gap + 1e-12)


def test_kinks_too_close_to_tell_apart_are_left_out_and_the_others_found():
    lines = Lines([np.array([0.2, 0.6, 0.6 + 1e-14, 0.8])], [np.array([1.0, 1.0, -0.4, 0.5])])
    (found,) = found_kinks(lines, 0.0, 1.0)
    assert len(found) <= 3
    for kink in (0.2, 0.8):
        assert np.abs(found - kink).min() < 1e-12


def test_an_affine_and_a_constant_function_have_none():
    lines = Lines([np.empty(0)], [np.empty(0)])
    assert len(found_kinks(lines, -1e3, 1e3)[0]) == 0
    search = RunSearch(
        lambda line, t: (np.full(len(t), 2.0), np.full(len(t), EPS)), np.zeros(1), np.ones(1), np.ones(1)
    )
    runs = search.run()
    assert len(search.gaps()) == 0
    assert not runs.single().all()


def test_what_the_oracle_raises_comes_out():
    def refuse(line, t):
        raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        RunSearch(refuse, np.zeros(1), np.ones(1), np.ones(1)).run()

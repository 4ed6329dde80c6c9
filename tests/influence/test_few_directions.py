"""Stores whose preconditioner has the leading directions alone, against dense singular values."""

from __future__ import annotations

import numpy as np
import pytest
from token_models import Tagger, texts

from divulge import Influence
from divulge.errors import UnreadableFile
from divulge.influence import GradientStore
from divulge.influence.few_directions import leading


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("seed", range(5))
def test_directions_are_those_of_the_singular_values(seed, count):
    rng = np.random.default_rng(seed)
    widths, n = rng.integers(1, 40, 3).tolist(), int(rng.integers(1, 60))
    # Singular values that fall as those of gradients do.
    rows = [rng.standard_normal((n, d)) @ np.diag(0.5 ** np.arange(d)) for d in widths]
    read = [[part[begin : begin + 7] for part in rows] for begin in range(0, n, 7)]
    for found, part in zip(leading(lambda: iter(read), n, widths, count, seed), rows, strict=True):
        _, s, v = np.linalg.svd(part, full_matrices=True)
        kept = min(count, part.shape[1])
        squares = np.concatenate([s**2 / n, np.zeros(part.shape[1])])[:kept]
        np.testing.assert_allclose(found.values, squares, rtol=1e-8, atol=1e-13 * squares[0])
        np.testing.assert_allclose(found.mean, (part**2).sum() / n / part.shape[1])
        np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(kept), atol=1e-10)
        expected = (v[:kept].T * squares) @ v[:kept]
        np.testing.assert_allclose(
            (found.vectors * found.values) @ found.vectors.T, expected, atol=1e-7 * squares[0]
        )


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_directions_of_slowly_falling_singular_values(seed, power):
    rng = np.random.default_rng(seed)
    n, d, count = 500, int(rng.integers(100, 250)), int(rng.integers(8, 33))
    rows = rng.standard_normal((n, d)) * (1.0 + np.arange(d)) ** -power
    (found,) = leading(lambda: iter([[rows[:300]], [rows[300:]]]), n, [d], count, seed)
    values, vectors = np.linalg.eigh(rows.T @ rows / n)
    np.testing.assert_allclose(found.values, values[: -1 - count : -1], rtol=5e-3)
    values[:-count] = 0
    damping = 0.1 * found.mean
    ours = np.linalg.inv((found.vectors * found.values) @ found.vectors.T + damping * np.eye(d))
    dense = (vectors / (values + damping)) @ vectors.T
    expected = rows @ dense @ rows[:20].T
    assert np.abs(rows @ ours @ rows[:20].T - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("rank", [None, 1])
@pytest.mark.parametrize("directions", [1, 4, 1000])
@pytest.mark.parametrize("unit", [False, True])
def test_scores_are_those_of_the_truncated_mean_square(directions, rank, unit, tmp_path):
    influence, test = Influence(Tagger(form="plain").double(), texts(30, 0)), texts(3, 1)
    options = {"size": 5, "rank": rank, "directions": directions}
    store = GradientStore(tmp_path / "store", **options)
    store.append(influence)
    g, f = store.gradients(range(30)).astype(float), store._asked(influence, test, None)
    expected, own, other = 0.0, 0.0, 0.0
    for columns in np.split(np.arange(g.shape[1]), np.cumsum(store._files.index.widths)[:-1]):
        a, b = g[:, columns], f[:, columns]
        values, vectors = np.linalg.eigh(a.T @ a / 30)
        values[: max(len(values) - directions, 0)] = 0
        damped = vectors / (np.maximum(values, 0) + 0.1 * (a**2).sum() / a.size) @ vectors.T
        expected = expected - b @ damped @ a.T
        own, other = own + (b @ damped * b).sum(1), other + (a @ damped * a).sum(1)
    if unit:
        expected = expected / np.sqrt(np.outer(own, other))
    found = store.scores(influence, test, unit=unit)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    again = GradientStore(tmp_path / "store", **options)
    np.testing.assert_array_equal(again.scores(influence, test, unit=unit), found)
    assert (tmp_path / "store" / "directions.npz").exists()
    assert not (tmp_path / "store" / "moment.npz").exists()


def test_directions_follow_what_is_appended(tmp_path):
    test = texts(3, 1)
    parts = [Influence(Tagger(form="plain").double(), texts(9, seed)) for seed in (0, 2)]
    grown, anew = (GradientStore(tmp_path / name, size=4, directions=2) for name in "ab")
    grown.append(parts[0])
    first = grown.scores(parts[0], test)
    for store in (grown, anew):
        store.append(parts[1])
        if store is anew:
            store.append(parts[0])
    found = grown.scores(parts[0], test)
    assert not np.allclose(found[:, :9], first, rtol=1e-3)
    order = np.r_[9:18, 0:9]
    np.testing.assert_allclose(anew.scores(parts[0], test)[:, order], found, rtol=1e-4, atol=1e-6)


def test_bad_input(tmp_path):
    influence, test = Influence(Tagger(form="plain").double(), texts(9, 0)), texts(3, 1)
    for directions in (0, True, 1.5):
        with pytest.raises(ValueError, match="expected directions as a whole number of at least 1"):
            GradientStore(tmp_path / "none", directions=directions)
    store = GradientStore(tmp_path / "store", size=4, directions=2)
    store.append(influence)
    with pytest.raises(ValueError, match="with directions needs a damping above 0, got 0"):
        store.scores(influence, test, damping=0)
    with pytest.raises(ValueError, match="was made with directions=2, got None"):
        GradientStore(tmp_path / "store", size=4)
    store.scores(influence, test)
    (tmp_path / "store" / "directions.npz").write_bytes(b"PK")
    with pytest.raises(UnreadableFile):
        GradientStore(tmp_path / "store", size=4, directions=2).scores(influence, test)

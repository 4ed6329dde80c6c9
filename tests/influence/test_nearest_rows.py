"""A store's nearest rows by FAISS, against the scores of all."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from divulge import Influence
from divulge.influence import GradientStore, NearestRows, gradient_store


@pytest.fixture
def stored(make, tmp_path):
    module, (x, y), test = make("mlp")
    influence = Influence(module, (x, y))
    store = GradientStore(tmp_path / "store", size=3)
    store.append(influence)
    return store, influence, test


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("damping", [None, 0.1])
def test_an_exact_index_finds_what_all_scores_say(stored, damping, unit):
    pytest.importorskip("faiss")
    store, influence, test = stored
    options = {"damping": damping, "unit": unit}
    expected = store.top_k(influence, test, 5, **options)
    found = NearestRows(store, **options).top_k(influence, test, 5)
    scores = store.scores(influence, test, **options)
    for side in ("helpful", "harmful"):
        rows, told = getattr(found, side), getattr(found, f"{side}_scores")
        np.testing.assert_allclose(
            told, getattr(expected, f"{side}_scores"), rtol=1e-4, atol=1e-5 * np.abs(scores).max()
        )
        np.testing.assert_allclose(
            np.take_along_axis(scores, rows, 1), told, rtol=1e-4, atol=1e-5 * np.abs(scores).max()
        )


def test_lists_are_searched_in_part_or_whole(stored):
    faiss = pytest.importorskip("faiss")
    store, influence, test = stored
    width = store._files.index.columns
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, 4, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    nearest = NearestRows(store, index=index)
    with pytest.raises(ValueError, match="finds fewer than 40 samples"):
        nearest.top_k(influence, test, 40)
    index.nprobe = 4
    found, expected = nearest.top_k(influence, test, 5), store.top_k(influence, test, 5)
    np.testing.assert_allclose(found.helpful_scores, expected.helpful_scores, rtol=1e-4)


def test_the_mean_square_is_inverted_once(stored, monkeypatch):
    faiss = pytest.importorskip("faiss")
    store, influence, test = stored
    calls, real = [], gradient_store.inverses
    monkeypatch.setattr(gradient_store, "inverses", lambda *given: calls.append(1) or real(*given))
    store.scores(influence, test, unit=True)
    assert len(calls) == 1
    width = store._files.index.columns
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, 2, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    NearestRows(store, unit=True, index=index).top_k(influence, test, 1)
    assert len(calls) == 2


def test_refusals(stored, tmp_path):
    faiss = pytest.importorskip("faiss")
    store, influence, test = stored
    with pytest.raises(ValueError, match="holds no samples yet"):
        NearestRows(GradientStore(tmp_path / "empty", size=3))
    with pytest.raises(TypeError, match="expected a GradientStore, got str"):
        NearestRows("store")
    for damping in (-1.0, float("nan"), "much"):
        with pytest.raises(ValueError, match="expected damping of at least 0"):
            NearestRows(store, damping=damping)
    width = store._files.index.columns
    for index in (faiss.IndexFlatIP(width + 1), faiss.IndexFlatL2(width)):
        with pytest.raises(ValueError, match="expected an empty index for inner products"):
            NearestRows(store, index=index)
    nearest = NearestRows(store)
    with pytest.raises(ValueError, match="a whole k from 1 to 40"):
        nearest.top_k(influence, test, 41)
    store.append(influence)
    with pytest.raises(ValueError, match="the store has 80 samples, its index 40; make it anew"):
        nearest.top_k(influence, test)


def test_what_is_not_installed_is_named(stored, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'divulge\[faiss\]'"):
        NearestRows(stored[0])

"""Gradient stores that keep each layer's leading singular pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from token_models import Tagger, texts
from torch import nn

from divulge import Influence
from divulge.errors import UnreadableFile
from divulge.influence import GradientStore
from divulge.influence.low_rank import decoded, encoded, stored_columns


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_the_best_of_their_rank_where_they_take_less(rank, seed):
    rng = np.random.default_rng(seed)
    shapes = rng.integers(1, 9, (4, 2)).tolist()
    matrices = [10.0 ** rng.integers(-3, 4) * rng.standard_normal((6, *shape)) for shape in shapes]
    rows = np.concatenate([m.reshape(6, -1) for m in matrices], axis=1)
    kept = encoded(rows, shapes, rank)
    assert kept.shape == (6, stored_columns(shapes, rank))
    begin = 0
    for (a, b), matrix in zip(shapes, matrices, strict=True):
        found = decoded(kept, shapes, rank)[:, begin : begin + a * b].reshape(6, a, b)
        s = np.linalg.svd(matrix, compute_uv=False)
        lost = s[:, rank:] if rank * (a + b) < a * b else s[:, :0]
        error = np.linalg.norm(found - matrix, axis=(1, 2))
        np.testing.assert_allclose(error, np.sqrt((lost**2).sum(1)), atol=1e-9 * np.abs(matrix).max())
        begin += a * b


@pytest.mark.parametrize("options", [{}, {"unit": True}, {"damping": None}])
def test_one_pair_is_all_of_a_sample_with_one_position(make, options, tmp_path):
    module, train, test = make("tanh", n=20)
    influence = Influence(module, train)
    whole, pairs = GradientStore(tmp_path / "a", size=4), GradientStore(tmp_path / "b", size=4, rank=1)
    for store in (whole, pairs):
        store.append(influence)
    assert pairs.bytes_a_sample < whole.bytes_a_sample
    assert pairs.bytes_a_sample * 20 == sum(
        (tmp_path / "b" / f"{name}.bin").stat().st_size for name in ("units", "norms")
    )
    expected = whole.scores(influence, test, **options)
    found = pairs.scores(influence, test, **options)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(pairs.gradients([3, 1]), whole.gradients([3, 1]), atol=1e-5)


def test_texts_score_by_what_is_left_of_their_gradients(tmp_path):
    influence = Influence(Tagger(form="plain").double(), texts(9, 0))
    whole, pairs = GradientStore(tmp_path / "a", size=5), GradientStore(tmp_path / "b", size=5, rank=2)
    for store in (whole, pairs):
        store.append(influence)
    g = whole.gradients(range(9))
    shapes = pairs._files.index.shapes
    left = decoded(encoded(g, shapes, 2), shapes, 2)
    assert np.linalg.norm(g - left) > 1e-3 * np.linalg.norm(g)
    np.testing.assert_allclose(pairs.gradients(range(9)), left, atol=1e-5 * np.abs(left).max())
    asked = GradientStore(tmp_path / "c", size=5)
    asked.append(Influence(influence.module, texts(3, 1)))
    expected = -asked.gradients(range(3)) @ left.T
    found = pairs.scores(influence, texts(3, 1), damping=None)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_another_rank_is_refused(make, tmp_path):
    module, train, _ = make("tanh", n=20)
    store = GradientStore(tmp_path / "a", size=4, rank=1)
    store.append(Influence(module, train))
    assert GradientStore(tmp_path / "a", size=4, rank=1).rows == 20
    assert "rank 1" in repr(store)
    with pytest.raises(ValueError, match="made with rank=1, got None"):
        GradientStore(tmp_path / "a", size=4)
    for rank in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="expected rank as a whole number of at least 1"):
            GradientStore(tmp_path / "b", rank=rank)
    with pytest.raises(ValueError, match="rank is for the projection 'two_sided'"):
        GradientStore(tmp_path / "b", projection="random", rank=2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda shapes: [[2, 2], *shapes],
        lambda shapes: [[-a, -b] for a, b in shapes],
        lambda shapes: [[float(a), b] for a, b in shapes],
        lambda shapes: [a * b for a, b in shapes],
        lambda shapes: [[a, b, 1] for a, b in shapes],
    ],
)
def test_shapes_that_are_none_are_refused(make, damage, tmp_path):
    module, train, _ = make("tanh", n=20)
    GradientStore(tmp_path, size=4, rank=1).append(Influence(module, train))
    index = tmp_path / "store.json"
    held = json.loads(index.read_text())
    index.write_text(json.dumps(held | {"shapes": damage(held["shapes"])}))
    with pytest.raises(UnreadableFile, match="expected shapes"):
        GradientStore(tmp_path, size=4, rank=1)


def test_a_rank_above_the_size_keeps_the_whole(make, tmp_path):
    module, train, test = make("tanh", n=20)
    influence = Influence(module, train)
    stores = [GradientStore(tmp_path / str(rank), size=4, rank=rank) for rank in (None, 5, 1000)]
    for store in stores:
        store.append(influence)
        assert store.bytes_a_sample == stores[0].bytes_a_sample
        np.testing.assert_array_equal(store.scores(influence, test), stores[0].scores(influence, test))


def test_an_interrupted_append_goes_on_with_its_rank_and_no_other(tmp_path):
    influence = Influence(Tagger(form="plain").double(), texts(70, 0), batch_size=16)
    whole, store = (
        GradientStore(tmp_path / "a", size=5, rank=2),
        GradientStore(tmp_path / "b", size=5, rank=2),
    )
    whole.append(influence)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.append(influence, progress=stop)
    with pytest.raises(ValueError, match="made with rank=2, got 3"):
        GradientStore(tmp_path / "b", size=5, rank=3)
    again = GradientStore(tmp_path / "b", size=5, rank=2)
    assert 0 < again.rows < 70
    assert again.append(influence) == 70
    np.testing.assert_allclose(again.gradients(range(70)), whole.gradients(range(70)), rtol=0, atol=1e-6)


def test_layers_whose_matrix_is_as_small_are_kept_whole(tmp_path):
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    influence = Influence(module, (x, np.arange(5) % 2))
    stores = [GradientStore(tmp_path / str(rank), size=2, rank=rank) for rank in (None, 1)]
    for store in stores:
        store.append(influence)
    assert stores[0].bytes_a_sample == stores[1].bytes_a_sample
    np.testing.assert_array_equal(stores[0].gradients([0, 4]), stores[1].gradients([0, 4]))

"""Projected gradients on disk, against whole gradients and plain linear algebra."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from token_models import Tagger, texts
from torch import nn

from divulge import Influence
from divulge.influence import GradientStore, Task
from divulge.influence.projections import TwoSided

WHOLE = 10**6  # no side or number of columns is as large


class Last(nn.Module):
    def forward(self, result):
        return result[0][:, -1]


def tagger():
    return Tagger(form="plain").double(), texts(9, 0), texts(3, 1), ["embed", "query", "norm.*", "head"]


def preconditioner(g, influence, projection):
    """Return the inverse of the damped mean square, of two sides layer by layer."""
    whole = [np.arange(g.shape[1])]
    if projection == "two_sided":
        places = influence._prepared.autograd.layers
        whole = [
            np.arange(begin, begin + h * d) if bias is None else np.r_[begin : begin + h * d, bias : bias + h]
            for h, d, begin, bias, _ in places
        ]
    inverse = np.zeros((g.shape[1],) * 2)
    for part in whole:
        moment = g[:, part].T @ g[:, part] / len(g)
        damped = moment + 0.1 * np.trace(moment) / len(moment) * np.eye(len(moment))
        inverse[np.ix_(part, part)] = np.linalg.inv(damped)
    return inverse


@pytest.mark.parametrize("projection", ["two_sided", "random"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "tokens"])
def test_whole_gradients_score_as_they_are(make, name, projection, tmp_path):
    module, train, test, parameters = (*make(name, n=20), None) if name != "tokens" else tagger()
    influence = Influence(module, train, curvature="gauss_newton", parameters=parameters)
    store = GradientStore(tmp_path / "store", projection=projection, size=WHOLE)
    n = store.append(influence)
    assert (n, store.rows, store.unfinished) == (len(train[1]), len(train[1]), 0)
    g, f = influence.gradients(train), influence.gradients(test, "margin")
    largest = np.abs(f @ g.T).max()
    plain = store.scores(influence, test, "margin", damping=None)
    np.testing.assert_allclose(plain, -f @ g.T, atol=1e-5 * largest)
    inverse = preconditioner(g, influence, projection)
    scores = store.scores(influence, test, "margin")
    expected = -f @ inverse @ g.T
    np.testing.assert_allclose(scores, expected, atol=2e-4 * np.abs(expected).max())
    lengths = np.sqrt(np.outer((f @ inverse * f).sum(1), (g @ inverse * g).sum(1)))
    units = store.scores(influence, test, "margin", unit=True)
    np.testing.assert_allclose(units, expected / lengths, atol=2e-4)
    cosines = store.scores(influence, test, "margin", damping=None, unit=True)
    norms = np.outer(np.linalg.norm(f, axis=1), np.linalg.norm(g, axis=1))
    np.testing.assert_allclose(cosines, -f @ g.T / norms, atol=1e-5)


def test_inner_products_stay_on_average(make, tmp_path):
    module, train, _ = make("tanh", n=20)
    influence = Influence(module, train)
    g = influence.gradients(train)
    for projection, size in (("random", 40), ("two_sided", 3)):
        found = []
        for seed in range(25):
            store = GradientStore(
                tmp_path / f"{projection} {seed}", projection=projection, size=size, seed=seed
            )
            store.append(influence)
            rows = store.gradients(np.arange(20)).astype(np.float64)
            found.append(rows @ rows.T)
        error = np.mean(found, axis=0) - g @ g.T
        assert np.abs(error).max() < 6 * np.std(found, axis=0).max() / np.sqrt(25)
        assert np.std(found, axis=0).max() > 0
        assert rows.shape == (20, 40 if projection == "random" else 9 + 9)


def test_orthonormal_sides_keep_inner_products_better_than_normal_ones(tmp_path):
    module = nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 6)).double()
    rng = np.random.default_rng(0)
    data = rng.standard_normal((30, 12)), rng.integers(0, 6, 30)
    influence = Influence(module, data)
    g, off = influence.gradients(data), {True: [], False: []}
    for seed in range(30):
        for normal, errors in off.items():
            sides = TwoSided(influence, 4, seed, normal)
            rows = np.concatenate(list(sides.features(influence.train, influence.loss.function)))
            errors.append(np.linalg.norm(rows @ rows.T - g @ g.T))
    assert np.mean(off[False]) < 0.8 * np.mean(off[True])


def test_a_store_of_earlier_kind_goes_on_with_its_normal_sides(make, tmp_path):
    module, train, test = make("tanh", n=20)
    influence = Influence(module, train)
    GradientStore(tmp_path, size=3)
    index = tmp_path / "store.json"
    held = json.loads(index.read_text())
    later = ("sides", "shapes", "rank")
    index.write_text(json.dumps({name: value for name, value in held.items() if name not in later}))
    store = GradientStore(tmp_path, size=3)
    store.append(influence)
    sides = TwoSided(influence, 3, 0, normal=True)
    expected = np.concatenate(list(sides.features(influence.train, influence.loss.function)))
    np.testing.assert_allclose(store.gradients(range(20)), expected, atol=1e-5 * np.abs(expected).max())
    new = GradientStore(tmp_path / "new", size=3)
    new.append(influence)
    assert not np.allclose(new.gradients(range(20)), expected, atol=1e-2 * np.abs(expected).max())
    before = store.scores(influence, test)
    np.testing.assert_array_equal(GradientStore(tmp_path, size=3).scores(influence, test), before)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_store_is_opened_again_and_added_to(make, dtype, tmp_path):
    module, (x, y), test = make("mlp", n=30)
    influence = Influence(module, (x, y))
    whole = GradientStore(tmp_path / "whole", size=4, dtype=dtype)
    whole.append(influence)
    parts = GradientStore(tmp_path / "parts", size=4, dtype=dtype)
    parts.append(Influence(module, (x[:11], y[:11])))
    first = parts.scores(influence, test)
    again = GradientStore(tmp_path / "parts", size=4, dtype=dtype)
    assert again.append(Influence(module, (x[11:], y[11:]))) == 30
    scores = whole.scores(influence, test)
    np.testing.assert_allclose(again.scores(influence, test), scores, rtol=1e-4, atol=1e-6)
    assert not np.allclose(first, scores[:, :11])  # the moment is that of all rows
    written = sum((tmp_path / "whole" / name).stat().st_size for name in ("units.bin", "norms.bin"))
    assert whole.bytes_a_sample == written / 30
    near = GradientStore(tmp_path / "near", size=4)
    near.append(influence)
    largest = np.abs(scores).max()
    np.testing.assert_allclose(near.scores(influence, test), scores, atol=5e-3 * largest)
    out = whole.scores(influence, test, out=tmp_path / "scores.npy")
    np.testing.assert_array_equal(out, scores)


def interrupted(store, influence, after):
    def stop(done, total):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.append(influence, progress=stop)


@pytest.mark.parametrize("projection", ["two_sided", "random"])
def test_an_interrupted_append_goes_on(make, projection, tmp_path):
    module, (x, y), test = make("mlp", n=200)
    influence = Influence(module, (x, y), batch_size=64)
    whole = GradientStore(tmp_path / "whole", projection=projection, size=5)
    whole.append(Influence(module, (x[:9], y[:9])))
    whole.append(influence)
    store = GradientStore(tmp_path / "part", projection=projection, size=5)
    store.append(Influence(module, (x[:9], y[:9])))
    interrupted(store, influence, 128)
    assert (store.rows, store.unfinished) == (137, 72)
    with (store.folder / "units.bin").open("ab") as file:
        file.write(b"rest of a block that was being written")
    store = GradientStore(tmp_path / "part", projection=projection, size=5)
    with pytest.raises(ValueError, match="72 samples of the data that was interrupted are not in the store"):
        store.append(Influence(module, (x[:100], y[:100])))
    assert store.scores(influence, test).shape == (7, 137)
    assert store.append(influence) == 209
    for name in ("units.bin", "norms.bin"):
        assert (store.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    np.testing.assert_array_equal(store.scores(influence, test), whole.scores(influence, test))


def test_the_strongest_samples(make, tmp_path, monkeypatch):
    monkeypatch.setattr("divulge.influence.gradient_store.ROWS_READ", 16)
    module, (x, y), test = make("mlp", n=50)
    x[30:40], y[30:40] = x[3], y[3]  # ties
    influence = Influence(module, (x, y))
    store = GradientStore(tmp_path / "store", size=4)
    store.append(influence)
    scores = store.scores(influence, test)
    ranking = store.top_k(influence, test, 6)
    np.testing.assert_allclose(ranking.helpful_scores, np.sort(scores, axis=1)[:, :6], rtol=1e-5)
    np.testing.assert_allclose(ranking.harmful_scores, np.sort(-scores, axis=1)[:, :6] * -1, rtol=1e-5)
    for rows, values in (
        (ranking.helpful, ranking.helpful_scores),
        (ranking.harmful, ranking.harmful_scores),
    ):
        np.testing.assert_allclose(np.take_along_axis(scores, rows, axis=1), values, rtol=1e-5)
        assert all(len(set(row)) == 6 for row in rows.tolist())
    with pytest.raises(ValueError, match="whole k from 1 to 50, got 51"):
        store.top_k(influence, test, 51)


def test_damping_and_what_has_no_inverse(make, tmp_path):
    module, train, test = make("mlp", n=10)
    influence = Influence(module, train)
    store = GradientStore(tmp_path, size=WHOLE)
    store.append(influence)
    for damping in (-1, np.nan, True, "a"):
        with pytest.raises(ValueError, match=f"damping of at least 0, or None, got {damping!r}"):
            store.scores(influence, test, damping=damping)
    with pytest.raises(ValueError, match="expected a damping above 0, got 0"):
        store.scores(influence, test, damping=0)


def test_layers_without_a_rule_take_one_matrix(make, tmp_path):
    _, train, test = make("attention")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(1, 2), nn.GRU(6, 3, batch_first=True), Last()).double().eval()
    influence = Influence(module, train)
    with pytest.raises(ValueError, match=r"'1\.weight_ih_l0' belongs to GRU: name others"):
        GradientStore(tmp_path / "two").append(influence)
    store = GradientStore(tmp_path / "one", projection="random", size=WHOLE)
    store.append(influence)
    expected = -influence.gradients(test) @ influence.gradients(train).T
    np.testing.assert_allclose(store.scores(influence, test, damping=None), expected, atol=1e-5)


def stopped(error, after):
    def progress(done, total):
        if done >= after:
            raise error

    return progress


def test_moments_are_not_those_of_rows_that_were_taken_back(make, tmp_path):
    module, (x, y), test = make("mlp", n=200)
    influence = Influence(module, (x, y), batch_size=64)
    other = Influence(module, (3 * x[100:164], y[100:164]))
    store, fresh = GradientStore(tmp_path / "store", size=4), GradientStore(tmp_path / "fresh", size=4)
    interrupted(store, influence, 64)
    store.scores(influence, test)
    with pytest.raises(RuntimeError):
        store.append(influence, progress=stopped(RuntimeError, 0))
    assert store.append(other) == fresh.append(other) == 64
    np.testing.assert_allclose(store.scores(influence, test), fresh.scores(influence, test))


def test_two_objects_add_to_one_store(make, tmp_path):
    module, (x, y), test = make("mlp", n=50)
    first, second = GradientStore(tmp_path / "store", size=4), GradientStore(tmp_path / "store", size=4)
    parts = [Influence(module, (x[rows], y[rows])) for rows in (slice(0, 30), slice(30, 50))]
    first.append(parts[0])
    assert second.append(parts[1]) == 50
    assert first.scores(parts[0], test).shape == (7, 50)
    np.testing.assert_array_equal(first.gradients([3, 49]), second.gradients([3, 49]))
    with pytest.raises(ValueError, match="another process, or object, is appending to the store in store"):
        first.append(parts[0], progress=lambda *_: second.append(parts[1]))
    assert first.append(parts[0]) == 80


def test_data_that_differs_in_the_middle_is_other_data(make, tmp_path):
    module, (x, y), _ = make("mlp", n=200)
    store = GradientStore(tmp_path / "store", size=4)
    interrupted(store, Influence(module, (x, y), batch_size=64), 64)
    changed = x.copy()
    changed[100] += 1
    with pytest.raises(ValueError, match="136 samples of the data that was interrupted"):
        store.append(Influence(module, (changed, y)))


def test_another_padding_is_another_loss(tmp_path):
    module, (x, y), *_ = tagger()
    store = GradientStore(tmp_path / "store", size=4)
    store.append(Influence(module, (x, y), parameters=["head"]))
    task, y = Task(ignore_index=-1), np.where(y == -100, -1, y)
    with pytest.raises(ValueError, match="mean over positions but those with the target -1"):
        store.append(Influence(module, (x, y), task=task, parameters=["head"]))


@pytest.mark.parametrize("projection", ["two_sided", "random"])
@pytest.mark.parametrize("scale", [1e-22, 1e20])
def test_scores_of_gradients_of_any_size(scale, projection, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))

    def loss(outputs, targets):
        return scale * ((outputs - targets) ** 2).sum(1)

    torch.manual_seed(0)
    influence = Influence(nn.Linear(4, 2).double().eval(), (x, y), loss=loss)
    store = GradientStore(tmp_path / "store", projection=projection, size=WHOLE)
    store.append(influence)
    g = influence.gradients((x, y))
    expected = -g[:3] @ preconditioner(g, influence, projection) @ g.T
    test = x[:3], y[:3]
    np.testing.assert_allclose(store.scores(influence, test), expected, atol=1e-4)
    units = store.scores(influence, test, unit=True)
    np.testing.assert_allclose(np.diag(units[:, :3]), -1, rtol=1e-4)
    plain = store.scores(influence, test, damping=None)
    np.testing.assert_allclose(plain / scale**2, -g[:3] @ g.T / scale**2, rtol=1e-4, atol=1e-4)


def test_what_single_precision_cannot_hold(tmp_path):
    x, y = np.ones((3, 2)), np.zeros((3, 1))
    influence = Influence(nn.Linear(2, 1).double().eval(), (x, y), loss=lambda z, t: 1e40 * z[:, 0])
    store = GradientStore(tmp_path / "store", size=4)
    with pytest.raises(
        ValueError, match=r"the gradient of sample 0 is of length 1\.7e\+40, expected at most"
    ):
        store.append(influence)
    assert store.rows == 0
    assert store.gradients([]).shape[0] == 0
    with pytest.raises(ValueError, match="expected rows from 0 to -1, got 2"):
        store.gradients([2])
    with pytest.raises(ValueError, match="holds no samples yet"):
        store.top_k(influence, (x, y), 1)

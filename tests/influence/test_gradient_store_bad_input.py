"""A store of gradients refuses what does not belong to it, and damaged files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.errors import UnreadableFile
from divulge.influence import GradientStore
from divulge.influence.projections import RandomMatrix


def test_other_parameters_precision_and_settings_are_refused(make, tmp_path):
    module, train, test = make("mlp")
    influence = Influence(module, train)
    store = GradientStore(tmp_path / "store", size=4)
    with pytest.raises(ValueError, match="the store in store holds no samples yet"):
        store.scores(influence, test)
    store.append(influence)
    other = make("mlp", seed=1)[0]
    for one in (Influence(other, train), Influence(module, train, parameters=["1"])):
        for ask in (lambda one=one: store.append(one), lambda one=one: store.scores(one, test)):
            with pytest.raises(ValueError, match="the store in store was written for other parameters than"):
                ask()
    single = Influence(other.float(), train)
    with pytest.raises(ValueError, match="for parameters in float64, these are in float32"):
        store.scores(single, test)
    for name, value in (("dtype", "float16"), ("size", 5), ("seed", 1), ("projection", "random")):
        with pytest.raises(ValueError, match=rf"store was made with {name}=.*, got {value!r}"):
            GradientStore(tmp_path / "store", **{"size": 4, name: value})
    assert store.rows == 40
    with torch.no_grad():
        module[1].weight += 1
    with pytest.raises(ValueError, match="other parameters"):
        store.scores(influence, test)
    with pytest.raises(TypeError, match="expected an Influence, got Sequential"):
        store.append(module)


def test_another_loss_is_refused(make, tmp_path):
    module, (x, y), _ = make("mlp")
    store = GradientStore(tmp_path / "store", size=4)
    store.append(Influence(module, (x, y)))
    with pytest.raises(ValueError, match=r"of the loss cross_entropy, mean over positions, got squared"):
        store.append(Influence(module, (x, np.eye(3)[y]), loss="squared"))


@pytest.mark.parametrize("rows", [0, 20])
def test_nothing_is_left_of_data_that_fails(make, rows, tmp_path, monkeypatch):
    module, (x, y), test = make("mlp", n=200)
    influence = Influence(module, (x, y), batch_size=64)
    features = RandomMatrix.features

    def spoilt(self, samples, function):
        for number, block in enumerate(features(self, samples, function)):
            yield block * (np.nan if number == 2 else 1)

    store = GradientStore(tmp_path / "random", projection="random", size=4)
    if rows:
        store.append(Influence(module, (x[:rows], y[:rows])))
    monkeypatch.setattr(RandomMatrix, "features", spoilt)
    with pytest.raises(ValueError, match="the gradient of sample 128 is not finite"):
        store.append(influence)
    assert (store.rows, store.unfinished) == (rows, 0)
    monkeypatch.undo()
    other = Influence(module, (x[:30], y[:30]))
    assert store.append(other) == rows + 30
    assert store.scores(other, test).shape == (7, rows + 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection": "none"}, "projection 'random' or 'two_sided', got 'none'"),
        ({"dtype": "int8"}, "dtype 'float32' or 'float16', got 'int8'"),
        ({"size": 0}, "size as a whole number of at least 1, got 0"),
        ({"size": 2.5}, "size as a whole number of at least 1, got 2.5"),
        ({"seed": -1}, "seed as a whole number of at least 0, got -1"),
    ],
)
def test_settings_that_there_are_not(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        GradientStore(tmp_path, **options)


@pytest.mark.parametrize("damage", ["text", "field", "kind", "short", "moment"])
def test_damaged_files(make, tmp_path, damage):
    module, train, test = make("mlp")
    influence, store = Influence(module, train), GradientStore(tmp_path, size=4)
    store.append(influence)
    index = json.loads((tmp_path / "store.json").read_text())
    if damage == "text":
        (tmp_path / "store.json").write_text("{")
    elif damage == "field":
        (tmp_path / "store.json").write_text(json.dumps({**index, "more": 1}))
    elif damage == "kind":
        (tmp_path / "store.json").write_text(json.dumps({**index, "rows": "40"}))
    elif damage == "short":
        (tmp_path / "units.bin").write_bytes(b"123")
    else:
        (tmp_path / "moment.npz").write_bytes(b"123")
    with pytest.raises(UnreadableFile):
        GradientStore(tmp_path, size=4).scores(influence, test)


def test_frozen_parameters_and_buffers_belong_to_a_store(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).double().eval()
    store = GradientStore(tmp_path / "store", size=4)
    store.append(Influence(module, (x, y), parameters=["3"]))
    for tensor in (module[0].weight, module[1].running_mean):
        with torch.no_grad():
            tensor += 1
        with pytest.raises(ValueError, match=r"other parameters than this module's .* buffers included"):
            store.scores(Influence(module, (x, y), parameters=["3"]), (x[:2], y[:2]))
        with torch.no_grad():
            tensor -= 1

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from ranks import changed_share_main, factors_main
from token_models import Tagger, texts

from divulge import Influence
from divulge.errors import UnreadableFile
from divulge.influence import Task, fit_factors
from divulge.influence.saved import data_digest, parameters_digest
from divulge.influence.saved_factors import _Held


def cases(make, name):
    if name == "tokens":
        return Tagger(form="plain").double(), texts(11, 0), texts(3, 1)
    return make(name, n=50)


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "tokens"])
def test_factors_from_a_file_are_those_that_are_fitted(make, name, curvature, tmp_path):
    module, train, test = cases(make, name)
    path, told = tmp_path / "factors.npz", []
    options = {"curvature": curvature, "damping": 0.2, "seed": 3}
    expected = Influence(module, train, **options)
    first = Influence(module, train, **options)
    fit_factors(first, path, block=8, progress=lambda *done: told.append(done))
    blocks = -(-len(train[1]) // 8) * (1 + (curvature == "ekfac"))
    assert told == [(i + 1, blocks) for i in range(blocks)]
    again = Influence(module, train, **options)
    fit_factors(again, path, block=8, progress=lambda *done: told.append(done))
    assert len(told) == blocks
    for one in (first, again):
        np.testing.assert_allclose(one.scores(test), expected.scores(test), rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(one.self_influence(), expected.self_influence(), rtol=1e-7)
    more = Influence(module, train, **{**options, "damping": 0.7})
    fit_factors(more, path, block=8)
    np.testing.assert_allclose(
        more.scores(test),
        Influence(module, train, **{**options, "damping": 0.7}).scores(test),
        rtol=1e-7,
        atol=1e-10,
    )


@pytest.mark.parametrize("after", [1, 4, 7, 8, 13])
def test_an_interrupted_fit_goes_on(make, after, tmp_path):
    module, train, test = make("mlp", n=50)
    path = tmp_path / "factors.npz"
    influence = Influence(module, train, curvature="ekfac", damping=0.2)

    def stop(done, total):
        assert total == 14
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_factors(influence, path, block=8, progress=stop)
    told = []
    fit_factors(influence, path, block=8, progress=lambda done, total: told.append(done))
    assert told == list(range(after + 1, 15))
    expected = Influence(module, train, curvature="ekfac", damping=0.2).scores(test)
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-7, atol=1e-10)


def test_factors_of_something_else_are_refused(make, tmp_path):
    module, (x, y), test = make("mlp", n=50)
    path = tmp_path / "factors.npz"
    influence = Influence(module, (x, y), curvature="ekfac", damping=0.2)
    fit_factors(influence, path)
    others = [
        Influence(make("mlp", seed=1)[0], (x, y), curvature="ekfac"),
        Influence(module, (x[1:], y[1:]), curvature="ekfac"),
        Influence(module, (x, y), curvature="ekfac", seed=1),
        Influence(module, (x, y), curvature="ekfac", parameters=["1"]),
    ]
    for other in others:
        with pytest.raises(ValueError, match=r"in factors\.npz are those of other parameters, data, labels"):
            fit_factors(other, path)
    with pytest.raises(ValueError, match="of other parameters, data, labels or blocks"):
        fit_factors(influence, path, block=7)
    with pytest.raises(ValueError, match="the curvature kfac or ekfac, got 'hessian'"):
        fit_factors(Influence(module, (x, y)), path)
    with pytest.raises(ValueError, match=r"a file named \*\.npz, got factors"):
        fit_factors(influence, tmp_path / "factors")
    with pytest.raises(ValueError, match="block as a whole number of at least 1, got 0"):
        fit_factors(influence, path, block=0)
    with pytest.raises(TypeError, match="expected an Influence, got Sequential"):
        fit_factors(module, path)
    with torch.no_grad():
        module[1].weight += 0.1
    expected = Influence(module, (x, y), curvature="ekfac", damping=0.2).scores(test)
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-9)  # fitted anew


def test_files_that_are_something_else(make, tmp_path):
    module, train, _ = make("mlp")
    influence = Influence(module, train, curvature="kfac", damping=0.2)
    fit_factors(influence, tmp_path / "whole.npz")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:-300])
    np.savez(tmp_path / "other.npz", vectors=np.zeros(3))
    with np.load(tmp_path / "whole.npz") as held:
        np.savez(tmp_path / "nan.npz", **{**held, "factors 0": held["factors 0"] * np.nan})
    for name in ("text", "half", "other", "nan"):
        with pytest.raises(UnreadableFile):
            fit_factors(influence, tmp_path / f"{name}.npz")


def test_an_interruption_between_two_bases(make, tmp_path, monkeypatch):
    module, train, test = make("mlp", n=50)
    influence = Influence(module, train, curvature="ekfac", damping=0.2)
    put = _Held.put

    def stop(self, stage, *rest):
        if stage == "outer":
            raise KeyboardInterrupt
        put(self, stage, *rest)

    monkeypatch.setattr(_Held, "put", stop)
    with pytest.raises(KeyboardInterrupt):
        fit_factors(influence, tmp_path / "factors.npz")
    monkeypatch.undo()
    fit_factors(influence, tmp_path / "factors.npz")
    expected = Influence(module, train, curvature="ekfac", damping=0.2).scores(test)
    np.testing.assert_allclose(influence.scores(test), expected, rtol=1e-7, atol=1e-10)


def test_data_frozen_parameters_and_reductions_belong_to_factors(make, tmp_path):
    module, (x, y), _ = make("mlp", n=50)
    path, options = tmp_path / "factors.npz", {"curvature": "kfac", "damping": 0.2}
    fit_factors(Influence(module, (x, y), parameters=["1"], **options), path)
    changed = x.copy()
    changed[25] += 1
    frozen = copy.deepcopy(module)
    with torch.no_grad():
        next(p for name, p in frozen.named_parameters() if not name.startswith("1.")).add_(1)
    for other, data in ((module, (changed, y)), (frozen, (x, y))):
        with pytest.raises(ValueError, match="of other parameters, data, labels or blocks"):
            fit_factors(Influence(other, data, parameters=["1"], **options), path)
    module, train, _ = cases(make, "tokens")
    fit_factors(Influence(module, train, **options), tmp_path / "tokens.npz")
    summed = Influence(module, train, task=Task(positions="sum"), **options)
    with pytest.raises(ValueError, match="of other parameters, data, labels or blocks"):
        fit_factors(summed, tmp_path / "tokens.npz")


def test_two_processes_fit_what_one_does(make, tmp_path):
    problems = {
        "tokens": (Tagger(form="plain").double(), texts(40, 0), texts(3, 1)),
        "mlp": make("mlp", n=40),
    }
    mp.spawn(factors_main, (str(tmp_path), problems), nprocs=2)
    for name, (module, train, test) in problems.items():
        expected = Influence(module, train, curvature="ekfac", damping=0.2).scores(test)
        for rank in (0, 1):
            found = np.load(tmp_path / f"{name}{rank}.npy")
            assert found.shape == (2, *expected.shape)  # fitted, and read
            np.testing.assert_allclose(found, np.stack([expected] * 2), rtol=1e-8, atol=1e-11)
            assert (tmp_path / f"{name}.{rank}-of-2.npz").exists()


def test_a_share_is_refused_where_another_has_changed(make, tmp_path):
    module, (x, y), _ = make("mlp", n=40)
    mp.spawn(changed_share_main, (str(tmp_path), module, x, y), nprocs=2)
    for rank, begin in ((0, "the factors in"), (1, "another process refuses its file: the factors in")):
        first, second = np.load(tmp_path / f"said{rank}.npy").tolist()
        assert first == "fitted"
        assert second.startswith(f"{begin} factors.0-of-2.npz are those of other parameters, data")


def test_factors_from_before_labels_were_told_apart_are_refused(make, tmp_path):
    module, train, _ = make("mlp", n=50)
    path = tmp_path / "factors.npz"
    influence = Influence(module, train, curvature="ekfac")
    fit_factors(influence, path)
    with np.load(path) as held:
        arrays = dict(held)
    digests = parameters_digest(influence), data_digest(influence.train)
    arrays["about"] = np.asarray(" ".join((*digests, influence.loss.described, "0", "4096")))
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="other parameters, data, labels or blocks"):
        fit_factors(Influence(module, train, curvature="ekfac"), path)

from __future__ import annotations

import numpy as np
import pytest
import torch

from divulge import Influence
from divulge.errors import UnreadableFile
from divulge.influence import SolvedTests, solve_tests


@pytest.mark.parametrize("name", ["mlp", "cnn", "logistic"])
def test_saved_products_score_as_before(make, name, tmp_path):
    module, train, test = make(name)
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5)
    solved = solve_tests(influence, test)
    solved.save(tmp_path / "solved.npz")
    again = SolvedTests.load(tmp_path / "solved.npz")
    np.testing.assert_array_equal(again.scores(influence), influence.scores(test))
    assert (again.residual <= influence.tolerance).all()
    assert again.about == "gauss_newton, cg, damping 0.5, weight decay 0"
    groups = np.arange(40) % 3
    np.testing.assert_allclose(again.scores(influence, groups), influence.scores(test, groups=groups))


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_closed_forms_name_no_solver(make, curvature):
    module, train, test = make("mlp")
    influence = Influence(module, train, curvature=curvature, damping=0.5)
    assert solve_tests(influence, test).about == f"{curvature}, damping 0.5, weight decay 0"
    assert f"{curvature}, damping 0.5" in repr(influence)


def test_other_samples_are_scored_with_the_same_curvature(make, tmp_path):
    module, (x, y), test = make("mlp")
    influence = Influence(module, (x, y), curvature="gauss_newton", damping=0.5)
    others = Influence(module, (x[30:], y[30:]))
    scores = solve_tests(influence, test, of="margin").scores(others, out=tmp_path / "scores.npy")
    np.testing.assert_allclose(scores, influence.scores(test, of="margin")[:, 30:], rtol=1e-12)


def test_other_parameters_are_refused(make):
    module, train, test = make("mlp")
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5)
    solved = solve_tests(influence, test)
    some = Influence(module, train, parameters=["1"], curvature="gauss_newton")
    single = Influence(module.float(), tuple(map(torch.as_tensor, train)), curvature="gauss_newton")
    for other in (some, single):
        with pytest.raises(ValueError, match="7 test points were solved for with other parameters"):
            solved.scores(other)
    module.double()
    with torch.no_grad():
        module[1].weight += 1e-3
    with pytest.raises(ValueError, match="other parameters"):
        solved.scores(influence)


def test_files_that_are_something_else(make, tmp_path):
    module, train, test = make("mlp")
    solved = solve_tests(Influence(module, train, curvature="gauss_newton", damping=0.5), test)
    with pytest.raises(ValueError, match=r"expected a file named \*.npz, got x.npy"):
        solved.save(tmp_path / "x.npy")
    with pytest.raises(FileNotFoundError):
        SolvedTests.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", vectors=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    whole = tmp_path / "whole.npz"
    solved.save(whole)
    (tmp_path / "half.npz").write_bytes(whole.read_bytes()[:-300])
    SolvedTests(solved.vectors * np.nan, solved.residual, "", "").save(tmp_path / "nan.npz")
    for name in ("other", "text", "half", "nan"):
        with pytest.raises(UnreadableFile):
            SolvedTests.load(tmp_path / f"{name}.npz")

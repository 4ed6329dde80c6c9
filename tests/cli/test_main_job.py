import json

import pytest


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-9), ("float32", 1e-3)])
def test_a_trained_classifier_is_taken_apart(command, tmp_path, dtype, error):
    picture = tmp_path / "units.png"
    code, out, err = command("reconstruct", "--dtype", dtype, "--json", "--plot", picture)
    assert code == 0, err
    result = json.loads(out)
    assert result["complete"]
    assert result["lowered"]
    assert (result["hidden_units"], result["hidden_units_true"]) == (32, 32)
    assert result["queries"] == sum(result["queries_by_kind"].values()) < 32 * 8
    assert 0 < result["certificate"] < error
    assert result["max_parameter_error"] < error
    assert result["max_output_error"] < error
    assert result["agreement"] >= 0.99
    assert picture.stat().st_size > 10_000


def test_a_small_budget_gives_a_partial_copy(command):
    code, out, err = command("reconstruct", "--budget", 60, "--json")
    assert code == 2
    result = json.loads(out)
    assert not result["complete"]
    assert 0 < result["queries"] <= 60
    assert err.splitlines()[-1].startswith("divulge: the budget of 60 queries ran out after")

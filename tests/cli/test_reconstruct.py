import json
import signal
import warnings

import pytest
import torch
from torch import nn

from divulge.oracles import ORACLES
from divulge.oracles.journal import Journal
from divulge.reconstruction import Note, NoteKind
from divulge.reconstruction.certificate import Certificate, Sample

KEYS = {
    "hidden_units", "hidden_units_true", "queries", "queries_by_kind", "certificate", "max_parameter_error",
    "max_output_error", "agreement", "seconds", "lowered", "seed", "complete", "hidden_sizes",
    "hidden_sizes_true", "layers", "replayed", "fresh_answers", "unit_kinds", "filters", "differences",
    "numbers_per_parameter",
}  # fmt: skip


@pytest.fixture
def exported(tmp_path):
    """A model file with 6 inputs, 4 hidden units and 2 outputs."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    path = tmp_path / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (torch.zeros(1, 6, dtype=torch.float64),)), path)
    return path


def test_json_is_one_object_and_nothing_else(command, attack):
    code, out, err = command("reconstruct", "--hidden", 8, "--seed", 3, "--json")
    assert code == 0
    result = json.loads(out)
    assert set(result) == KEYS
    assert out.count("\n") == 1
    assert (result["hidden_units"], result["hidden_units_true"]) == (8, 8)
    assert (result["queries"], result["queries_by_kind"]) == (24, {"gradient": 24})
    assert (result["seed"], result["complete"]) == (3, True)
    assert result["hidden_sizes"] == result["hidden_sizes_true"] == [8]
    (layer,) = result["layers"]
    assert layer["units_true"] == layer["units_found"] == layer["units_matched"] == 8
    assert layer["max_row_error"] < 1e-12
    assert result["max_parameter_error"] < 1e-12
    assert result["max_output_error"] < 1e-12
    assert result["agreement"] == 1
    assert result["seconds"] > 0
    assert "finding kinks" in err


def test_the_attack_is_handed_an_oracle_without_limits(command, attack):
    command("reconstruct", "--json")
    oracle = attack.oracle
    assert (oracle.input_size, oracle.output_size, oracle.has_values) == (64, 10, True)
    assert oracle.domain is oracle.ledger.budget is None
    assert oracle.dtype == torch.float64


def test_the_attack_stays_in_a_domain(command, attack, exported):
    code, out, _ = command("reconstruct", "--victim", exported, "--domain", "-0.5,2", "--json")
    low, high = attack.oracle.domain
    assert (low == -0.5).all()
    assert (high == 2).all()
    assert code == 0
    assert json.loads(out)["max_output_error"] < 1e-9


def test_the_table_names_what_was_found(command, attack):
    code, out, _ = command("reconstruct", "--hidden", 8)
    assert code == 0
    for name in (
        "digits classifier", "hidden units found", "8 of 8", "queries per unit", "3.00", "certificate",
        "max|theta - theta^|", "max|f - f^|", "agreement", "100.00%", "seconds",
    ):  # fmt: skip
        assert name in out


def test_precision_and_hidden_units_are_those_asked_for(command, attack):
    command("reconstruct", "--dtype", "float32", "--hidden", 5, "--json")
    assert attack.oracle.dtype == torch.float32
    assert attack.oracle.victim.module[1].weight.shape == (5, 64)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_budget_that_runs_out_leaves_what_was_found(command, attack, as_json):
    code, out, err = command("reconstruct", "--hidden", 8, "--budget", 10, *(["--json"] * as_json))
    assert code == 2
    assert err.splitlines()[-1] == (
        "divulge: the budget of 10 queries ran out after 9; this is what was found until then"
    )
    if as_json:
        result = json.loads(out)
        assert (result["complete"], result["hidden_units"], result["queries"]) == (False, 3, 9)
    else:
        assert "3 of 8" in out


def test_ctrl_c_leaves_what_was_found(command, attack):
    attack.each = lambda units: signal.raise_signal(signal.SIGINT) if units == 5 else None
    before = signal.getsignal(signal.SIGINT)
    code, out, err = command("reconstruct", "--hidden", 8, "--json")
    assert code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert (json.loads(out)["complete"], json.loads(out)["hidden_units"]) == (False, 5)
    assert err.splitlines()[-1].startswith("divulge: interrupted after 15 queries")


def test_ctrl_c_before_the_attack_has_nothing_to_report(command, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("divulge.cli.reconstruct.train_classifier", interrupt)
    code, out, err = command("reconstruct", "--json")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "divulge: interrupted"


def test_an_attack_that_gives_up_says_why(command, attack):
    attack.changes = {"complete": False, "notes": (Note(NoteKind.SIDES, "2 signs are not determined"),)}
    code, out, err = command("reconstruct", "--hidden", 8)
    assert code == 2
    assert "8 of 8" in out
    assert err.splitlines()[-1] == "divulge: 2 signs are not determined"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_null(command, attack, value):
    attack.changes = {"certificate": Certificate((Sample("standard normal", 4, value),))}
    _, out, _ = command("reconstruct", "--json")
    assert json.loads(out)["certificate"] is None


def test_a_model_file_is_taken_apart(command, attack, exported):
    code, out, _ = command("reconstruct", "--victim", exported, "--json")
    assert code == 0
    assert json.loads(out)["hidden_units_true"] == 4
    assert attack.oracle.victim.input_shape == (6,)
    code, out, _ = command("reconstruct", "--victim", exported)
    assert "model.pt2, compared on standard normal points" in out


def test_a_convolution_of_images_is_taken_apart(command, tmp_path):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 2)).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(layers, (torch.zeros(1, 1, 8, 8, dtype=torch.float64),))
        torch.export.save(program, tmp_path / "images.pt2")
    code, out, _ = command("reconstruct", "--victim", tmp_path / "images.pt2", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["complete"] is True
    assert told["max_output_error"] < 1e-9
    assert [each["filter"] for each in told["filters"]] == [0, 1, 2]
    assert max(each["filter_error"] for each in told["filters"]) < 1e-9
    assert told["layers"][0]["form"] == "convolution of 3x3, ReLU"
    assert told["differences"] == []
    path = tmp_path / "filters.png"
    code, out, _ = command("reconstruct", "--victim", tmp_path / "images.pt2", "--plot", path)
    assert code == 0
    assert "3 of 3 paired, worst filter error" in out
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_convolution_is_sent_to_a_surrogate(command, attack, tmp_path):
    path = tmp_path / "conv.pt2"
    module = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(6, 2))
    torch.export.save(torch.export.export(module, (torch.zeros(3, 1, 4),)), path)
    code, out, err = command("reconstruct", "--victim", path)
    assert (code, out) == (2, "")
    assert "conv.pt2: 'conv1d' is a convolution" in err
    assert "train a surrogate" in err


def test_a_victim_of_another_form_has_no_parameters_to_compare(command, attack, monkeypatch):
    deep = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 10)
    )
    monkeypatch.setattr("divulge.cli.reconstruct.train_classifier", lambda *args, **kwargs: deep)
    attack.changes = {
        "module": nn.Linear(64, 10),
        "complete": False,
        "notes": (Note(NoteKind.UNEXPLAINED, "no fit"),),
    }
    code, out, _ = command("reconstruct", "--json")
    assert code == 2
    result = json.loads(out)
    assert result["hidden_units_true"] == 8
    assert result["max_parameter_error"] is None
    _, out, err = command("reconstruct")
    assert "-" in out
    assert err.splitlines()[-1] == "divulge: all units of 0 of 2 hidden layers found: no fit"


@pytest.mark.parametrize(
    ("kind", "has_values", "has_gradients"),
    [("gradient", True, True), ("value", True, False), ("probability", True, False)],
)
def test_the_oracle_is_the_one_asked_for(command, attack, kind, has_values, has_gradients):
    code, out, _ = command("reconstruct", "--oracle", kind, "--budget", 30, "--json")
    assert code == 2
    assert json.loads(out)["queries_by_kind"] == {kind: 30}
    assert (attack.oracle.has_values, attack.oracle.has_gradients) == (has_values, has_gradients)
    assert attack.oracle.ledger.budget == 30


def test_the_plot_is_written(command, attack, tmp_path):
    path = tmp_path / "units.png"
    code, out, _ = command("reconstruct", "--hidden", 6, "--plot", path, "--json")
    assert code == 0
    json.loads(out)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden", "0"], "'--hidden': expected a whole number of at least 1, got 0"),
        (["--hidden", "many"], "'--hidden': expected a whole number, got 'many'"),
        (["--budget", "-5"], "'--budget': expected a whole number of at least 0, got -5"),
        (["--seed", "-1"], "'--seed': expected a whole number of at least 0, got -1"),
        (["--seed", 2**63], f"'--seed': expected a whole number of at most {2**63 - 1}, got {2**63}"),
        (["--dtype", "float16"], "'--dtype': expected float32 or float64, got float16"),
        (["--oracle", "loss"], f"'--oracle': expected an oracle named {', '.join(ORACLES)}, got 'loss'"),
        (["--domain", "0"], "'--domain': expected LOW,HIGH, two finite numbers in order, got '0'"),
        (["--domain", "1,0"], "'--domain': expected LOW,HIGH, two finite numbers in order, got '1,0'"),
        (["--domain", "a,b"], "'--domain': expected LOW,HIGH, two finite numbers in order, got 'a,b'"),
        (["--domain", "0,inf"], "'--domain': expected LOW,HIGH, two finite numbers in order, got '0,inf'"),
        (
            ["--domain", "0,1,2"],
            "'--domain': expected LOW,HIGH, two finite numbers in order, got '0,1,2'",
        ),
        (
            ["--data", "cifar"],
            "'--data': expected a data set named digits, mnist, fashion-mnist, cifar10, got 'cifar'",
        ),
        (["--victim", "nowhere.onnx"], "'--victim': there is no file nowhere.onnx"),
        (
            ["--victim", "model.h5"],
            "'--victim': expected a file named *.onnx or *.pt2 or *.joblib or *.pkl or *.pickle or *.pt, "
            "got model.h5",
        ),
        (["--plot", "nowhere/units.png"], "'--plot': there is no folder nowhere"),
        (["--checkpoint", "nowhere/answers"], "'--checkpoint': there is no folder nowhere"),
        (["--checkpoint", "."], "'--checkpoint': expected a file, . is a folder"),
    ],
)
def test_mistakes_get_one_sentence(command, attack, arguments, message):
    code, out, err = command("reconstruct", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"divulge: Invalid value for {message}"]


@pytest.mark.parametrize("option", ["--hidden", "--dtype"])
def test_what_is_trained_and_a_file_contradict_each_other(command, attack, exported, option):
    value = {"--hidden": "3", "--dtype": "float32"}[option]
    code, out, err = command("reconstruct", "--victim", exported, option, value)
    assert (code, out) == (2, "")
    other = f"is for a victim that is trained here, and --victim {exported} names another"
    assert err == f"divulge: {option} {value} {other}\n"


def test_there_is_no_number_of_layers_to_give(command, attack):
    assert command("reconstruct", "--layers", "3") == (2, "", "divulge: No such option: --layers\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"something else", "is no checkpoint of divulge"),
        (None, "was written with seed 0, expected a checkpoint with seed 1"),
    ],
)
def test_a_checkpoint_is_looked_at_before_anything_is_trained(
    command, monkeypatch, tmp_path, content, message
):
    def train(*args, **kwargs):
        raise AssertionError("nothing may be trained")

    path = tmp_path / "answers"
    if content is None:
        Journal(path, {"seed": 0, "oracle": "gradient", "precision": "float64"}).close()
    else:
        path.write_bytes(content)
    monkeypatch.setattr("divulge.cli.reconstruct.train_classifier", train)
    code, out, err = command("reconstruct", "--checkpoint", path, "--seed", 1)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_unknown_option_is_named(command, attack):
    code, out, err = command("reconstruct", "--unheard-of")
    assert (code, out) == (2, "")
    assert err.startswith("divulge: ")
    assert "--unheard-of" in err


def test_images_must_fit_the_model(command, attack, exported):
    code, out, err = command("reconstruct", "--victim", exported, "--data", "digits")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == "divulge: expected points of shape (n, 6), got (1, 1, 8, 8)"


def test_missing_data_are_one_sentence(command, attack, monkeypatch):
    import pooch

    def retrieve(*args):
        raise OSError("no network")

    monkeypatch.delenv("DIVULGE_DATA", raising=False)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    code, out, err = command("reconstruct", "--data", "mnist")
    assert (code, out) == (2, "")
    assert "train-images-idx3-ubyte.gz is neither in $DIVULGE_DATA nor" in err.splitlines()[-1]


def test_a_checkpoint_is_gone_on_from(command, exported, tmp_path):
    path = tmp_path / "answers"
    arguments = ("reconstruct", "--victim", exported, "--checkpoint", path, "--json")
    code, out, err = command(*arguments, "--budget", 9)
    assert code == 2
    assert "the budget of 9 queries ran out" in err
    asked = json.loads(out)["queries"]
    code, out, _ = command(*arguments)
    assert code == 0
    assert json.loads(out)["replayed"] == asked
    assert json.loads(out)["queries"] > asked
    code, out, _ = command(*arguments[:-1])
    assert "of these from the checkpoint" in out
    code, out, err = command(*arguments, "--seed", 1)
    assert (code, out) == (2, "")
    assert err == (f"divulge: {path}: the head was written with seed 0, expected a checkpoint with seed 1\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--oracle", "label"), "a label oracle tells neither"),
        (("--budget", "-3"), "-3"),
        (("--domain", "2,1"), "2"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_trained(command, monkeypatch, options, said):
    monkeypatch.setattr("divulge.cli.reconstruct.train_classifier", lambda *_, **__: pytest.fail("trained"))
    code, _, err = command("reconstruct", *options)
    assert code not in (0, None)
    assert said in err
    assert "training" not in err

import pytest

from divulge.sweep import read_experiment
from divulge.sweep.experiment import key_of


def write(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    return path


def test_every_combination_with_every_seed(tmp_path):
    path = write(
        tmp_path,
        'seeds = 2\nworkers = 3\nengine = "threads"\n'
        '[grid]\nhidden = [4, [8, 4]]\noracle = ["gradient", "value"]\n'
        'defence = ["none", "rounded:6+top:10"]\n',
    )
    experiment = read_experiment(path)
    assert (experiment.job, experiment.engine, experiment.workers) == ("reconstruct", "threads", 3)
    cells = list(experiment.cells())
    assert len(cells) == 2 * 2 * 2 * 2
    assert [cell["seed"] for cell in cells[:4]] == [0, 1, 0, 1]
    assert cells[0]["inputs"] == 20
    assert cells[-1]["hidden"] == [8, 4]
    assert cells[-1]["defence"] == "rounded:6+top:10"
    assert len({key_of(cell) for cell in cells}) == len(cells)


def test_what_is_not_said_has_a_default(tmp_path):
    experiment = read_experiment(write(tmp_path, 'job = "steal"'))
    (cell,) = experiment.cells()
    assert (cell["victim"], cell["surrogate"], cell["seed"]) == ("digits", "mlp", 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = [", "is no TOML file"),
        ("sedes = 3", "got 'sedes'"),
        ('job = "train"', "got 'train'"),
        ('engine = "spark"', "got 'spark'"),
        ("workers = 0", "got 0"),
        ("seeds = 0", "got 0"),
        ("seeds = [1, 1]", r"got \[1, 1\]"),
        ("seeds = [-1]", "got -1"),
        ("grid = 3", "got 3"),
        ("[grid]\nwidth = 3", "got 'width'"),
        ("[grid]\nhidden = 0", "got 0"),
        ("[grid]\nhidden = []", "at least one value of hidden"),
        ("[grid]\ninputs = [20, 0]", "inputs from 1 on, got 0"),
        ('[grid]\noracle = "gradients"', "got 'gradients'"),
        ('[grid]\ndefence = "Rounding"', "a defence named none, rounded, .* got 'Rounding'"),
        ("[grid]\ndefence = {Rounded = {decimals = 6}}", "got {'Rounded': {'decimals': 6}}"),
        ('[grid]\ndefence = "rounded:digits=3"', "decimals, bits behind the colon, got 'digits'"),
        ('[grid]\ndefence = "top"', "expected k behind the colon"),
        ('[grid]\noracle = "smoothgrad:sampels=3"', "got 'sampels'"),
        ('job = "steal"\n[grid]\nsurrogate = "rnn"', "a network named linear, .* got 'rnn'"),
        ('[grid]\ndtype = "float16"', "got 'float16'"),
        ('[grid]\nbudget = "all"', "got 'all'"),
    ],
)
def test_one_sentence_names_the_culprit(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=said) as failure:
        read_experiment(path)
    assert str(path) in str(failure.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.toml"):
        read_experiment(tmp_path / "nothing.toml")

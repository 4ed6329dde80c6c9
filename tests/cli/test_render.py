from types import SimpleNamespace

import pytest

from divulge import Comparison, LayerComparison
from divulge.cli.render import Report, print_table
from divulge.reconstruction import Note, NoteKind
from divulge.reconstruction.certificate import Certificate


def report(found, queries=(1000, 234), kinds=("ReLU",), **fields):
    plain = {
        "hidden_sizes": (found,),
        "hidden_sizes_true": (8,),
        "layers": (LayerComparison(8, found, found, 1e-12),),
        "hidden_units_effective": 8,
        "units_folded": None,
        "units_matched": found,
        "max_parameter_error": 1.5e-12,
        "max_output_error": 0.0,
        "output_range": 1.0,
        "output_std": 1.0,
        "agreement": 0.98765,
        "points": 10,
        "matches": (),
    }
    comparison = Comparison(**{**plain, **fields})
    result = SimpleNamespace(
        hidden_units=found,
        queries=1234,
        numbers_per_parameter=9.5,
        queries_by_layer=queries,
        replayed=0,
        unit_kinds=kinds,
        certificate=Certificate(),
        notes=(Note(NoteKind.NOISE, "a [note]"),),
    )
    return Report("title", result, comparison, False, 2.0)


@pytest.mark.parametrize(
    ("found", "fields", "text"),
    [
        (8, {}, "8 of 8 "),
        (6, {"hidden_units_effective": 6}, "6 of 8 (6 can be told apart)"),
        (9, {"units_matched": 7}, "9 of 8 (7 of the found ones match)"),
        (3, {"hidden_sizes_true": None, "hidden_units_effective": None, "units_matched": None}, " 3 "),
    ],
)
def test_units_found(capsys, found, fields, text):
    print_table(report(found, **fields))
    assert text in capsys.readouterr().out


def test_units_that_are_not_relus_are_named(capsys):
    print_table(report(8))
    assert "units are" not in capsys.readouterr().out
    print_table(report(8, kinds=("LeakyReLU(0.1)", "ReLU")))
    assert cells_in(capsys.readouterr().out.splitlines())["units are"] == "LeakyReLU(0.1), ReLU"


def cells_in(lines):
    return dict([part.strip() for part in line.strip("│").split("│")] for line in lines if "│" in line)


def test_numbers(capsys):
    print_table(report(0, max_parameter_error=None))
    lines = capsys.readouterr().out.splitlines()
    cells = cells_in(lines)
    assert cells["queries"] == "1,234"
    assert cells["queries per unit"] == cells["certificate"] == cells["max|theta - theta^|"] == "-"
    assert cells["max|f - f^|"] == "0.0e+00"
    assert cells["agreement"] == "98.77%"
    assert cells["answered by"] == "torch"
    assert lines[0] == "title"
    assert lines[-1] == "note: a [note]"
    assert not any(name.startswith("hidden layer") for name in cells)


def cells_of(capsys, *arguments, **fields):
    print_table(report(*arguments, **fields))
    return cells_in(capsys.readouterr().out.splitlines())


def test_a_row_for_every_layer(capsys):
    layers = (LayerComparison(5, 5, 5, 1.5e-12), LayerComparison(3, 4, 0, None))
    cells = cells_of(capsys, 9, hidden_sizes=(5, 4), hidden_sizes_true=(5, 3), layers=layers)
    assert cells["hidden layer 1"] == "5 of 5, worst row error 1.5e-12, 1,000 queries"
    assert cells["hidden layer 2"] == "0 of 3 (4 in the copy), 234 queries"
    cells = cells_of(capsys, 5, (1234,), hidden_sizes=(5,), hidden_sizes_true=(5, 3), layers=layers[:1])
    assert cells["hidden layer 1"].startswith("5 of 5")
    assert cells["hidden layer 2"] == "0 of 3"
    cells = cells_of(
        capsys, 9, hidden_sizes=(5, 4), hidden_sizes_true=None, layers=(), hidden_units_effective=None
    )
    assert (cells["hidden layer 1"], cells["hidden layer 2"]) == ("5, 1,000 queries", "4, 234 queries")

from types import SimpleNamespace

import pytest

from divulge import Comparison
from divulge.cli.render import Report, print_table


def report(found, **fields):
    plain = {
        "hidden_units": found,
        "hidden_units_true": 8,
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
    result = SimpleNamespace(hidden_units=found, queries=1234, certificate=float("inf"), notes=["a [note]"])
    return Report("title", result, comparison, False, 2.0)


@pytest.mark.parametrize(
    ("found", "fields", "text"),
    [
        (8, {}, "8 of 8 "),
        (6, {"hidden_units_effective": 6}, "6 of 8 (6 can be told apart)"),
        (9, {"units_matched": 7}, "9 of 8 (7 of the found ones match)"),
        (3, {"hidden_units_true": None, "hidden_units_effective": None, "units_matched": None}, " 3 "),
    ],
)
def test_units_found(capsys, found, fields, text):
    print_table(report(found, **fields))
    assert text in capsys.readouterr().out


def test_numbers(capsys):
    print_table(report(0, max_parameter_error=None))
    lines = capsys.readouterr().out.splitlines()
    cells = dict([part.strip() for part in line.strip("│").split("│")] for line in lines if "│" in line)
    assert cells["queries"] == "1,234"
    assert cells["queries per unit"] == cells["certificate"] == cells["max|theta - theta^|"] == "-"
    assert cells["max|f - f^|"] == "0.0e+00"
    assert cells["agreement"] == "98.77%"
    assert cells["answered by"] == "torch"
    assert lines[0] == "title"
    assert lines[-1] == "note: a [note]"

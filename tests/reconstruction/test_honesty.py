"""`complete` is not wrong on families of victims that copies were wrong about; bench/honesty.py has more."""

from __future__ import annotations

import pytest

from honesty import SMALL, attacked
from honesty_families import FAMILIES

SEEDS = range(5)
FOUND = {  # families of which every victim can be found, some were complete and wrong before
    "parallel, gap 1e-6 to .1",
    "nearly parallel",
    "hyperplanes far away",
    "shared hyperplanes",
    "sparse rows, values",
    "inputs of other scales",
    "float32, one layer",
    "narrow, ten outputs, values",
    "rows of low rank",
    "more units than inputs",
    "correlated rows",
    "heavy-tailed weights",
    "box, one layer",
    "gradients alone",
    "all gradients",
    "probabilities",
    "many at once",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_no_copy_that_is_called_complete_is_wrong(name):
    rows = [attacked(name, seed) for seed in SEEDS]
    assert not [row for row in rows if row.wrong and (row.complete or row.certificate < SMALL)]
    assert not [row.refused for row in rows if row.refused]
    assert sum(row.complete for row in rows) >= (len(SEEDS) - 1 if name in FOUND else 0)

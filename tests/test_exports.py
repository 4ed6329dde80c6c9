import subprocess
import sys

import pytest

import divulge


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", divulge.__all__)
def test_every_name_is_there(name):
    assert getattr(divulge, name) is not None
    assert name in dir(divulge)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = divulge.nothing


@pytest.mark.parametrize(
    ("name", "module"), [("compare", "comparison.copies"), ("reconstruct", "reconstruction.entry")]
)
def test_a_function_keeps_its_name_whatever_is_imported_first(name, module):
    first = f"import divulge.{module}\nfrom divulge.{module} import {name} as plain"
    assert run(f"{first}\nimport divulge\nprint(divulge.{name} is plain)") == "True"
    assert run(f"from divulge import {name}\n{first}\nprint({name} is plain)") == "True"


def test_importing_the_package_does_not_import_torch():
    assert run("import sys, divulge\nprint('torch' in sys.modules)") == "False"

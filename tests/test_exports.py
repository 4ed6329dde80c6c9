import pkgutil
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
    with pytest.raises(AttributeError, match="No divulge attribute nothing"):
        _ = divulge.nothing


@pytest.mark.parametrize(
    ("name", "module"), [("compare", "comparison.copies"), ("reconstruct", "reconstruction.entry")]
)
def test_a_function_keeps_its_name_whatever_is_imported_first(name, module):
    first = f"import divulge.{module}\nfrom divulge.{module} import {name} as plain"
    assert run(f"{first}\nimport divulge\nprint(divulge.{name} is plain)") == "True"
    assert run(f"from divulge import {name}\n{first}\nprint({name} is plain)") == "True"


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pandas", "matplotlib", "scipy", "sklearn"])
def test_importing_the_package_imports_nothing_heavy(heavy):
    assert run(f"import sys, divulge\nprint({heavy!r} in sys.modules)") == "False"


def test_importing_the_package_does_not_import_torch():
    assert run("import sys, divulge\nprint('torch' in sys.modules)") == "False"


def test_every_subpackage_is_an_attribute():
    packages = {part.name for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg}
    assert packages >= {"datasets", "influence", "evaluation", "saliency", "backdoors", "victims", "cli"}
    found = run(_EACH_ALONE.format(names=sorted(packages | {"plots", "errors"})))
    assert found.split() == [f"divulge.{name}" for name in sorted(packages | {"plots", "errors"})]


# Each name in a process that has imported nothing else of divulge; what is heavy is imported once.
_EACH_ALONE = """
import os
import matplotlib, networkx, numpy, pandas, scipy, sklearn, torch
import divulge
for name in {names}:
    child = os.fork()
    if not child:
        print(getattr(divulge, name).__name__, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("name", [part.name for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg])
def test_a_subpackage_says_what_it_is_and_what_it_offers(name):
    package = getattr(divulge, name)
    assert package.__doc__
    assert len(package.__all__) == len(set(package.__all__)) > 0
    assert all(hasattr(package, public) for public in package.__all__)


def test_names_are_listed_without_what_is_private():
    assert dir(divulge) == divulge.__all__ == sorted(set(divulge.__all__))
    assert [name for name in dir(divulge) if name.startswith("_")] == ["__version__"]


def test_a_star_imports_all_of_it():
    names = run("from divulge import *\nprint(*dir())").split()
    assert set(divulge.__all__) <= set(names)

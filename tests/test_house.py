"""What holds of all of the package's files and of all that is public."""

import ast
import dataclasses
import enum
import inspect
import pkgutil
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import divulge

ROOT = Path(divulge.__file__).parent
MOST_LINES = 400

# Packages whose signatures are not settled yet.
UNSETTLED = {"reference", "tensors", "cli"}
# What may be left out and still be given by position: the data, and what names the thing that is asked for.
BY_POSITION = {"data", "target", "attribution", "attributions", "input_shape", "method", "surrogate"}
BY_NAME = {"seed", "jobs", "progress"}


def name_of(path):
    parts = ["divulge", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def run_on_import(statements):
    """The import statements that run when a module is imported; those for type checkers do not."""
    for node in statements:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from run_on_import(node.orelse)
        elif isinstance(
            node, (ast.If, ast.Try, ast.With, ast.ClassDef, ast.For, ast.While, ast.ExceptHandler)
        ):
            inside = ("body", "handlers", "orelse", "finalbody")
            yield from run_on_import([child for part in inside for child in getattr(node, part, ())])


def imported(path):
    """The package's own modules that a file imports when it is imported."""
    found = set()
    for node in run_on_import(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert not node.level, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in names]
        found |= {name for name in names if name in MODULES}
    return found


def graph():
    return {name: imported(path) - {name} for name, path in MODULES.items()}


def test_the_graph_sees_imports():
    edges = graph()
    assert len(edges) > 200
    assert "divulge.comparison.canonical" in edges["divulge.comparison.copies"]
    assert "divulge.points" not in edges["divulge.comparison.copies"]  # for type checkers alone
    assert "divulge.comparison" in edges["divulge.cli.reconstruct"]


def test_no_file_imports_itself_through_others():
    try:
        tuple(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(f"a cycle of imports: {' <- '.join(error.args[1])}")


def test_nothing_but_tests_needs_the_slow_twins():
    used = {
        (name, module)
        for name, modules in graph().items()
        for module in modules
        if module.startswith("divulge.reference") and not name.startswith("divulge.reference")
    }
    assert not used


@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_short(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def public():
    """Public functions, and classes that are not mere results, by their full names."""
    for part in pkgutil.iter_modules(divulge.__path__):
        if not part.ispkg or part.name in UNSETTLED:
            continue
        package = import_module(f"divulge.{part.name}")
        for name in package.__all__:
            value = getattr(package, name)
            recipe = dataclasses.is_dataclass(value) and name in {"AdamTrainer", "Pgd", "Weights"}
            made = (
                inspect.isclass(value)
                and not dataclasses.is_dataclass(value)
                and not issubclass(value, Exception | Warning)
            )
            if getattr(value, "_is_protocol", False) or isinstance(value, enum.EnumMeta):
                continue
            if inspect.isfunction(value) or made or recipe:
                yield f"{part.name}.{name}", value


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_options_are_given_by_name(name):
    for parameter in inspect.signature(PUBLIC[name]).parameters.values():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            assert parameter.name not in BY_NAME
            assert parameter.default is parameter.empty or parameter.name in BY_POSITION


def test_signatures_are_looked_at():
    assert {"training.cnn", "oracles.GradientOracle", "training.Pgd", "surrogate.steal"} <= set(PUBLIC)

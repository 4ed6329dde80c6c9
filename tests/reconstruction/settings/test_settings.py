"""Numbers stand in the settings, each with its reason; rules that depend on noise among the tolerances."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path

import pytest

import divulge.reconstruction
from divulge.reconstruction import settings

PACKAGE = Path(divulge.reconstruction.__file__).parent
SETTINGS = PACKAGE / "settings"
MOST_LOOSE = 20  # numbers outside of the settings
PLAIN = (0.0, 0.5, 1.0, 2.0)
SMALL = 16  # integers up to it are counts and factors that a formula has
NOISE = {"noise", "relative", "rounding", "read", "precision"}
LARGER = {"max", "maximum", "fmax", "clip"}
MOST_RULES = 4


def files(inside: bool) -> list[Path]:
    """The package's files, those of the settings or all others."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if (SETTINGS in path.parents) is inside]


def is_number(node: ast.AST) -> bool:
    """Whether an expression is made of numbers alone: -1, 1 << 22, (1.0, 3.0)."""
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(map(is_number, node.elts))
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def constants(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Assignments of numbers to names of a module or of a class."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from constants(node.body)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value and is_number(node.value):
            yield node


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """Floats that are not plain and integers that are not small."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and (
            (type(node.value) is float and node.value not in PLAIN)
            or (type(node.value) is int and node.value > SMALL)
        ):
            yield node


def loose_numbers(text: str) -> list[int]:
    """The lines of constants and of other numbers in a module."""
    tree = ast.parse(text)
    named = list(constants(tree.body))
    inside = {id(part) for node in named for part in ast.walk(node)}
    return [node.lineno for node in (*named, *(node for node in literals(tree) if id(node) not in inside))]


def rules(text: str) -> list[int]:
    """The lines of max(floor, factor * noise), in either order, from Python or NumPy."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        call.lineno for call in calls if name_of(call.func) in LARGER and any(map(counts_noise, call.args))
    ]


def name_of(node: ast.AST) -> str:
    """The last part of a name with dots, or nothing."""
    return str(getattr(node, "attr", getattr(node, "id", "")))


def counts_noise(node: ast.AST) -> bool:
    """Whether an argument is a product of noise and a factor."""
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
    return product and bool(NOISE & {name_of(node.left), name_of(node.right)})


def test_few_numbers_stand_elsewhere():
    loose = {path.name: found for path in files(inside=False) if (found := loose_numbers(path.read_text()))}
    assert sum(map(len, loose.values())) <= MOST_LOOSE, loose


def test_rules_that_depend_on_noise_are_few_and_among_the_tolerances():
    elsewhere = {path.name: found for path in files(inside=False) if (found := rules(path.read_text()))}
    assert not elsewhere
    found = {path.name: len(rules(path.read_text())) for path in files(inside=True)}
    assert {name for name, count in found.items() if count} == {"tolerances.py"}
    assert found["tolerances.py"] <= MOST_RULES


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("A = 3", 1),
        ("A, B = 1, 2.5", 1),
        ("class C:\n    a: int = 1 << 4", 1),
        ("def f(x):\n    return 3.5 * x[:17] + 0.5 - 1.0", 2),
        ("def f(x, n=16):\n    return x / 2.0 + n", 0),
        ("A = 'three'", 0),
    ],
)
def test_numbers_are_counted(text, count):
    assert len(loose_numbers(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max(1e-9, 60 * self.noise)", 1),
        ("np.maximum(rounding * 2, floor)", 1),
        ("max(self.noise, least)", 0),
        ("min(lost * noise, 1e-3)", 0),
    ],
)
def test_rules_are_counted(text, count):
    assert len(rules(text)) == count


def groups() -> dict[str, object]:
    """Every group of numbers by its name."""
    return {
        name: getattr(settings, name) for name in settings.__all__ if is_dataclass(getattr(settings, name))
    }


def test_groups_cannot_be_changed_and_are_used():
    used = "".join(path.read_text() for path in files(inside=False))
    named = {name: group for name, group in groups().items() if name.isupper()}
    assert len(named) > 30
    for name, group in named.items():
        with pytest.raises(FrozenInstanceError):
            setattr(group, fields(group)[0].name, 0)
        for field in fields(group):
            assert f"{name}.{field.name}" in used


def test_every_number_has_its_reason():
    for path in files(inside=True):
        lines = path.read_text().splitlines()
        for node in constants(ast.parse(path.read_text()).body):
            beside, above = lines[node.lineno - 1], lines[node.lineno - 2].strip()
            assert "  # " in beside or above.startswith("# "), f"{path.name}:{node.lineno}"

"""The order of the house: which room may use which, and who asks the oracle."""

import ast
from pathlib import Path

import pytest
from call_graph import CallGraph

import divulge.reconstruction

HOUSE = Path(divulge.reconstruction.__file__).parent
PACKAGE = "divulge.reconstruction"
# What each room may use besides itself; files at the top may use every room.
MAY_USE = {
    "network": {"settings"},
    "asking": {"network", "settings"},
    "one_layer": {"asking", "network", "fresh_queries", "settings"},
    "deep": {"asking", "network", "one_layer", "fresh_queries", "settings"},
    "convolutional": {"asking", "network", "settings"},
    "explained": {"asking", "network", "one_layer", "settings"},
    "falsification": {"asking", "network", "deep", "certificate", "settings"},
    "refit": {"asking", "network", "deep", "settings"},
}
ASKS = {"asking/output.py", "asking/probability_reach.py"}


def imports(path: Path) -> list[str]:
    """What a file takes from the house, as dotted paths within it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            inner = str(node.module)[len(PACKAGE) :].strip(".")
            found += [f"{inner}.{alias.name}".strip(".") for alias in node.names]
    return found


@pytest.mark.parametrize("room", MAY_USE)
def test_a_room_uses_only_what_it_may(room):
    for path in (HOUSE / room).rglob("*.py"):
        used = {name.split(".")[0] for name in imports(path)} - {room}
        assert used <= MAY_USE[room], path


def test_only_one_room_asks_an_oracle():
    asking = set()
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            asked = isinstance(node, ast.Attribute) and node.attr in ("query", "explain", "probabilities")
            if asked and "oracle" in ast.unparse(node.value):
                asking.add(str(path.relative_to(HOUSE)))
    assert asking == ASKS


def test_ctrl_c_is_caught_in_one_place():
    catching = {
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and "KeyboardInterrupt" in ast.unparse(node)
    }
    assert catching == {"asking/stopped.py"}


def test_the_oracle_seldom_comes_back():
    stops = CallGraph(HOUSE, PACKAGE).walk(("entry.py", "reconstruct"), {"oracle"})
    assert len(stops) > 5
    assert len(stops) - len(set(stops)) <= 25

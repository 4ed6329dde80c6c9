"""Who calls whom in a package, as far as names tell it without running anything."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

Key = tuple[str, str]  # file within the package, function or Class.method


class CallGraph:
    """Functions of a package, and the calls in each.

    A name is looked up through imports; a method by its name, where at most two classes have one so named.
    """

    def __init__(self, folder: Path, package: str) -> None:
        self.folder, self.package = folder, package
        self.functions: dict[Key, ast.FunctionDef] = {}
        self.methods: dict[str, list[Key]] = defaultdict(list)
        self.imported: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        for path in sorted(folder.rglob("*.py")):
            self._read(path)

    def _read(self, path: Path) -> None:
        name, tree = str(path.relative_to(self.folder)), ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(self.package):
                for alias in node.names:
                    self.imported[name][alias.asname or alias.name] = (str(node.module), alias.name)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[name, node.name] = node
            elif isinstance(node, ast.ClassDef):
                for method in (m for m in node.body if isinstance(m, ast.FunctionDef)):
                    self.functions[name, f"{node.name}.{method.name}"] = method
                    self.methods[method.name].append((name, f"{node.name}.{method.name}"))

    def _file(self, module: str) -> str:
        inner = module[len(self.package) :].strip(".").replace(".", "/")
        return f"{inner}.py" if (self.folder / f"{inner}.py").exists() else f"{inner}/__init__.py".lstrip("/")

    def named(self, file: str, name: str) -> Key | None:
        """Return the function, or the constructor of the class, that a name stands for in a file."""
        for key in ((file, name), (file, f"{name}.__init__")):
            if key in self.functions:
                return key
        if name not in self.imported[file]:
            return None
        module, original = self.imported[file][name]
        return self.named(self._file(module), original)

    def calls(self, key: Key) -> Iterator[Key]:
        """Yield what a function names, innermost first."""
        for node in _innermost_first(self.functions[key]):
            if isinstance(node, ast.Name):
                found = self.named(key[0], node.id)
                if found:
                    yield found
            elif isinstance(node, ast.Attribute):
                own = [k for k in self.methods[node.attr] if k[0] == key[0] and _is_self(node.value)]
                candidates = own or self.methods[node.attr]
                yield from candidates if len(candidates) <= 2 else ()

    def walk(self, start: Key, words: set[str]) -> list[str]:
        """Follow the calls depth first, each function once; return the files of those that use a word.

        A file is named again where the walk comes back to it; neighbours that are equal are one stop.
        """
        seen: set[Key] = set()
        stops: list[str] = []

        def visit(key: Key) -> None:
            if key in seen:
                return
            seen.add(key)
            uses = _uses(self.functions[key], words)
            stops.extend([key[0]] * uses)
            for called in self.calls(key):
                before = len(stops)
                visit(called)
                stops.extend([key[0]] * (uses and len(stops) > before))

        visit(start)
        return [file for file, _ in groupby(stops)]


def _innermost_first(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield from _innermost_first(child)
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield node


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _uses(node: ast.AST, words: set[str]) -> bool:
    names = (getattr(n, part, None) for n in ast.walk(node) for part in ("id", "attr", "arg"))
    return any(str(name).lstrip("_") in words for name in names if name)

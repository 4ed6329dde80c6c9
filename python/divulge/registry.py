"""Things by name, with their parameters: the grammar of the command line, of sweep files and of Python.

A text is a name, "name:value" for the first parameter, or "name:key=value,key=value":

    gradient    rounded:6    noisy:sigma=0.1,fixed_per_input=true    smoothgrad:10,noise=0.2    mlp:64x32
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar

__all__ = ["Entry", "Registry", "split_list"]

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One thing that has a name.

    Attributes:
        make: returns it, given what all things of its kind need and, by their names, the parameters.
        parameters: those that a text may set.
    """

    make: Callable[..., T]
    parameters: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """The parameters that have no default."""
        found = signature(self.make).parameters if self.parameters else {}
        return [name for name in self.parameters if found[name].default is Parameter.empty]


class Registry(Mapping[str, Entry[T]]):
    """All things of one kind by name.

    Args:
        kind: what errors call one of them, such as "a defence".
        entries: by name.
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry[T]]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Entry[T]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def make(self, text: str, *needs: Any, **common: Any) -> T:
        """Return what a text names.

        Args:
            text: a name, "name:value" or "name:key=value,key=value".
            needs: what every thing of the kind is made of, such as a victim.
            common: parameters for any name; those of the text come first.

        Raises:
            ValueError: there is nothing of that name, or a parameter is unknown, missing or makes no sense.
        """
        name, given = self.parse(text)
        try:
            return self[name].make(*needs, **{**common, **given})
        except TypeError as error:
            if not given:
                raise
            raise ValueError(f"{text}: {error}") from error

    def parse(self, text: Any) -> tuple[str, dict[str, Any]]:
        """Return the name and the parameters of a text.

        Raises:
            ValueError: there is nothing of that name, or a parameter is unknown, missing or no number.
        """
        name, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        if name not in self:
            raise ValueError(f"expected {self.kind} named {', '.join(self)}, got {text!r}")
        entry = self[name]
        given = _parameters(text, entry.parameters, rest) if colon else {}
        for missing in entry.needed:
            if missing not in given:
                raise ValueError(
                    f"expected {missing} behind the colon, as in {name}:{missing}=..., got {text!r}"
                )
        return name, given


def split_list(text: str) -> list[str]:
    """Return the texts of a list "none,noisy:sigma=1,seed=3,sign"; "key=value" goes on with what was."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and re.match(r"\w+=", part):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def _parameters(text: str, known: tuple[str, ...], rest: str) -> dict[str, Any]:
    """Return the parameters behind the colon of a text."""
    given: dict[str, Any] = {}
    for place, part in enumerate(rest.split(",")):
        key, equals, value = part.rpartition("=")
        if not equals and known and place == 0:
            key = known[0]
        if key not in known:
            names = f"the parameters {', '.join(known)}" if known else "no parameter"
            raise ValueError(f"expected {names} behind the colon, got {key or value!r} in {text!r}")
        if key in given:
            raise ValueError(f"expected {key} once behind the colon, got {text!r}")
        given[key] = _value(text, value)
    return given


def _value(text: str, value: str) -> int | float | bool | tuple[int, ...]:
    """Read a number, whole numbers joined by x, or true or false."""
    if value in ("true", "false"):
        return value == "true"
    if re.fullmatch(r"\d+(x\d+)+", value):
        return tuple(map(int, value.split("x")))
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    raise ValueError(f"expected a number behind the colon of {text!r}, got {value!r}")

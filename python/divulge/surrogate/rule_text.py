"""Rules in words, such as "because 30 < age <= 40 and income > 3", read as boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.errors import OracleError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
JOINED = re.compile(r"^(because|if|always|and|&|,|\s)*$", re.IGNORECASE)
ALWAYS = re.compile(r"\balways\b", re.IGNORECASE)
TURNED = {"<": ">", "<=": ">="}


class RuleReader:
    """Reads conditions on columns.

    "3 <= 1" is about the column 3 where there is one: a name comes first, but between two numbers.

    Args:
        names: of the columns, shape (d,).
        single: whether inputs are compared in float32.

    Raises:
        OracleError: a name is blank, or two are the same but for spaces.
    """

    def __init__(self, names: Sequence[str], *, single: bool) -> None:
        held: dict[str, str] = {}
        for name in names:
            plain = " ".join(name.split())
            if not plain or plain in held:
                other = "an empty name" if not plain else f"{held[plain]!r} and {name!r}"
                raise OracleError(f"expected columns that rules tell apart by their names, got {other}")
            held[plain] = name
        self.places = {name: place for place, name in enumerate(names)}
        self.kind = np.float32 if single else np.float64
        known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        column = rf"(?<!\w)(?:{known})(?!\w)"
        self.condition = re.compile(
            rf"(?P<first>{NUMBER})\s*(?P<under><=?)\s*(?P<within>{column})\s*(?P<over><=?)\s*(?P<end>{NUMBER})"
            rf"|(?P<name>{column})\s*(?P<sign><=|>=|==|=|<|>)\s*(?P<last>{NUMBER})"
            rf"|(?P<least>{NUMBER})\s*(?P<below><=?)\s*(?P<above>{column})"
        )

    def box(self, rule: str) -> tuple[Array, Array]:
        """Return the least and the largest numbers that a rule allows, (d,) each, infinite where any.

        Raises:
            OracleError: it holds something else than conditions on the columns, or nothing.
        """
        least, most = np.full(len(self.places), -np.inf), np.full(len(self.places), np.inf)
        found = list(self.condition.finditer(rule))
        for name, sign, number in (condition for match in found for condition in _conditions(match)):
            place = self.places[name]
            low, high = self._ends(sign, float(number))
            least[place], most[place] = max(least[place], low), min(most[place], high)
        rest = self.condition.sub("", rule)
        if not JOINED.match(rest) or not (found or ALWAYS.search(rest)):
            raise OracleError(f"the rule {rule!r} is not understood at {rest.strip()!r}")
        return least, most

    def _ends(self, sign: str, threshold: float) -> tuple[float, float]:
        """The least and the largest number that a sign allows, of those that are told apart."""
        near = self.kind(threshold)
        up, down = (float(np.nextafter(near, self.kind(end))) for end in (np.inf, -np.inf))
        held = float(near)
        if sign in ("=", "=="):
            return held, held
        if sign == ">":
            return (held if held > threshold else up), np.inf
        if sign == ">=":
            return (held if held >= threshold else up), np.inf
        if sign == "<":
            return -np.inf, (held if held < threshold else down)
        return -np.inf, (held if held <= threshold else down)


def _conditions(found: re.Match[str]) -> list[tuple[str, str, str]]:
    """Columns with a sign and a number each, of a place in a rule."""
    if found["within"] is not None:
        low = (found["within"], TURNED[found["under"]], found["first"])
        return [low, (found["within"], found["over"], found["end"])]
    if found["name"] is not None:
        return [(found["name"], found["sign"], found["last"])]
    return [(found["above"], TURNED[found["below"]], found["least"])]

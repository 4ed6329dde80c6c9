"""Rules in words, such as "because 30 < age <= 40 and income > 3", read as boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.errors import OracleError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
JOINED = re.compile(r"^(because|if|always|and|&|,|\s)*$", re.IGNORECASE)
TURNED = {"<": ">", "<=": ">="}


class RuleReader:
    """Reads conditions on columns.

    Args:
        names: of the columns, shape (d,).
        single: whether inputs are compared in float32.
    """

    def __init__(self, names: Sequence[str], *, single: bool) -> None:
        self.places = {name: place for place, name in enumerate(names)}
        self.kind = np.float32 if single else np.float64
        known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self.condition = re.compile(
            rf"(?:(?P<first>{NUMBER})\s*(?P<under><=?)\s*)?(?<!\w)(?P<name>{known})(?!\w)"
            rf"(?:\s*(?P<sign><=|>=|==|=|<|>)\s*(?P<last>{NUMBER}))?"
        )

    def box(self, rule: str) -> tuple[Array, Array]:
        """Return the least and the largest numbers that a rule allows, (d,) each, infinite where any.

        Raises:
            OracleError: it holds something else than conditions on the columns.
        """
        least, most = np.full(len(self.places), -np.inf), np.full(len(self.places), np.inf)
        for found in self.condition.finditer(rule):
            place = self.places[found["name"]]
            signs = [(found["sign"], found["last"])]
            if found["first"] is not None:
                signs.append((TURNED[found["under"]], found["first"]))
            for sign, number in signs:
                if number is not None:
                    low, high = self._ends(sign, float(number))
                    least[place], most[place] = max(least[place], low), min(most[place], high)
        rest = self.condition.sub(lambda found: "" if found["first"] or found["last"] else found[0], rule)
        if not JOINED.match(rest):
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

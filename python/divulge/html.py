"""Results as notebooks show them: a title, what is known in lines, a table, remarks; all of it escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from math import isnan
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

_MOST_ROWS = 60


class ShownAsTable:
    """A result that notebooks show as its table."""

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        raise NotImplementedError

    def _facts(self) -> Mapping[str, Any]:
        """Return what is shown above the table, by name."""
        return {}

    def _remarks(self) -> Sequence[str]:
        """Return the sentences that are shown beneath the table."""
        return getattr(self, "notes", ())

    def _repr_html_(self) -> str:
        return shown(type(self).__name__, self._facts(), self.to_frame(), self._remarks())


def shown(title: str, facts: Mapping[str, Any], frame: pd.DataFrame, remarks: Sequence[str] = ()) -> str:
    """Return a piece of HTML; of a long table its first rows.

    Args:
        title: above it.
        facts: single values by their names.
        frame: the table, without its index.
        remarks: sentences beneath it.
    """
    rows = frame.head(_MOST_ROWS).itertuples(index=False, name=None)
    left = len(frame) - _MOST_ROWS
    more = [f"{left} more rows"] if left > 0 else []
    return template("divulge", "result.html.j2").render(
        title=title,
        facts={name: cell(value) for name, value in facts.items()},
        heads=[str(name).replace("_", " ") for name in frame.columns],
        rows=[[cell(value) for value in row] for row in rows],
        remarks=[*more, *remarks],
    )


def cell(value: Any) -> str:
    """Return a value as text: a dash for what there is not, four digits of a number."""
    if value is None or (isinstance(value, Real) and isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, Real) else str(value)


@lru_cache
def template(package: str, name: str) -> Template:
    """Return a template that lies in a package; what it is given is escaped, but for Markup."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(files(package).joinpath(name).read_text(encoding="utf-8"))

"""An Influence as a table of what was asked, for a notebook."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["as_table"]


def as_table(influence: Any) -> str:
    """Return HTML of an Influence's settings and its last residual."""
    last = influence.solution
    residual = "none yet" if last is None or not len(last.residual) else f"{last.residual.max():.2g}"
    entries = {
        "parameters": f"{influence.operator.parameters:,}",
        "training samples": f"{influence.operator.rows:,}",
        "loss": influence.loss.name,
        "curvature": influence.curvature,
        "solver": "closed form" if influence.curvature in ("kfac", "ekfac") else influence.solver,
        "damping": f"{influence.damping:g}",
        "weight decay": f"{influence.weight_decay:g}",
        "run by": influence.path,
        "last residual": residual,
    }
    rows = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in entries.items())
    return f"<table><caption>Influence</caption>{rows}</table>"

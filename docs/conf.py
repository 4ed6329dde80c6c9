"""Settings of the site: python -m sphinx -W --keep-going -b html docs build/site."""

from __future__ import annotations

import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
NUMBER = re.search(r'DIVULGE_VERSION "([^"]+)"', (ROOT / "cpp/core/version.h").read_text(encoding="utf-8"))

project = "divulge"
author = "the divulge developers"
copyright = f"2026, {author}"
release = version = NUMBER[1] if NUMBER else installed("divulge")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
suppress_warnings = ["autodoc.mocked_object"]

# Prose and notebooks. Headings are linked to as GitHub does.
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "attrs_block", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "notebooks")
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_excludepatterns = ["*.py"]
nb_merge_streams = True

# The API. Single backticks name what is linked to where it is ours.
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes_style")]
python_maximum_signature_line_length = 90

html_theme = "pydata_sphinx_theme"
html_title = f"divulge {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars: dict[str, list[str]] = {"*": []}  # pages without a section around them have nothing to list
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 4,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}

_MARKS = re.compile(r"[|*]|(?<=\w)_(?!\w)")  # that begin or end a markup in plain text
_LITERAL = re.compile(r"(`[^`]*`)")


def plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Take docstrings as plain text with `names`: `|x|` and `a * b` are no markup."""
    for number, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = _LITERAL.split(line)
        parts[::2] = [_MARKS.sub(r"\\\g<0>", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def setup(app: Sphinx) -> None:
    """Have docstrings read as plain text before their sections are taken apart."""
    app.connect("autodoc-process-docstring", plain, priority=400)

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "pictures.py"


@pytest.mark.parametrize("name", ["kinks", "bent"])
def test_pictures_of_the_docs_are_drawn(name, tmp_path):
    path = tmp_path / f"{name}.png"
    runpy.run_path(str(SCRIPT))[name](path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert (SCRIPT.parent / path.name).is_file()
    assert f"({path.name})" in (SCRIPT.parent / "reconstruction.md").read_text()


@pytest.mark.parametrize("name", ["shapes", "changes", "tree"])
def test_pictures_of_explanations_are_drawn(name, tmp_path):
    path = tmp_path / f"{name}.png"
    runpy.run_path(str(SCRIPT.with_name("explanation_pictures.py")))[name](path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert (SCRIPT.parent / path.name).is_file()
    assert f"({path.name})" in (SCRIPT.parent / "explanations.md").read_text()

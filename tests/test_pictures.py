import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "pictures.py"


@pytest.mark.parametrize("name", ["kinks", "bent", "jump"])
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


@pytest.mark.parametrize("name", ["trees", "fisher_prototypes"])
def test_pictures_of_influence_are_there(name):
    script = SCRIPT.with_name("influence_pictures.py")
    assert callable(runpy.run_path(str(script))[name])
    assert (script.parent / f"{name}.png").is_file()
    assert f"({name}.png)" in (script.parent / "influence.md").read_text()


def test_a_picture_of_prototypes_is_drawn(tmp_path):
    path = tmp_path / "drawn.png"
    runpy.run_path(str(SCRIPT.with_name("influence_pictures.py")))["fisher_prototypes"](path)
    assert path.read_bytes().startswith(b"\x89PNG")

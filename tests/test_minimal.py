"""Proves an installed wheel: run it outside of the source tree, `python -m pytest tests/test_minimal.py`."""

from importlib.resources import files

import divulge


def test_installed_package_has_its_core() -> None:
    assert divulge.build_config()["version"] == divulge.__version__


def test_installed_package_has_its_stub_and_its_templates() -> None:
    assert {"influence", "reconstruct", "saliency"} <= set(dir(divulge))
    for package, name in (
        ("divulge", "__init__.pyi"),
        ("divulge", "py.typed"),
        ("divulge", "result.html.j2"),
        ("divulge.report", "page.html.j2"),
    ):
        assert files(package).joinpath(name).is_file()

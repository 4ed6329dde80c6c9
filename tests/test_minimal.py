"""Proves an installed wheel: run it outside of the source tree, `python -m pytest tests/test_minimal.py`."""

import divulge


def test_installed_package_has_its_core() -> None:
    assert divulge.build_config()["version"] == divulge.__version__

"""What a repository is expected to have can be read, agrees with itself, and names what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
yaml = pytest.importorskip("yaml")
VERSION = re.search(r'DIVULGE_VERSION "([^"]+)"', (ROOT / "cpp/core/version.h").read_text())[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
tomllib = pytest.importorskip("tomllib")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="a source distribution has no workflows")


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_says_what_it_may_do_and_that_it_was_not_run(path):
    text, flow = path.read_text(), read(path)
    assert text.startswith("# Not yet run")
    assert flow[True]  # YAML takes the key `on` for a truth value
    assert flow["permissions"] == {"contents": "read"}
    for name, job in flow["jobs"].items():
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(flow["jobs"]), name
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "uses" not in step or re.search(r"@[0-9a-f]{40}$", step["uses"])  # a tag can be moved
            # what others may write, such as the name of a branch, is not put into a shell
            assert "${{ github" not in step.get("run", "")


def test_the_matrix_is_what_the_package_declares():
    pythons = read(ROOT / ".github/workflows/tests.yml")["jobs"]["pythons"]["strategy"]["matrix"]["python"]
    least = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert pythons[0] == least
    built = PROJECT["tool"]["cibuildwheel"]["build"]
    assert built == [f"cp{name.replace('.', '')}-*" for name in pythons]


def test_wheels_are_built_of_the_systems_that_are_configured():
    runners = read(ROOT / ".github/workflows/wheels.yml")["jobs"]["wheels"]["strategy"]["matrix"]["os"]
    families = {"ubuntu": "linux", "macos": "macos", "windows": "windows"}
    configured = PROJECT["tool"]["cibuildwheel"]
    told = {"linux", "macos", "windows"} & set(configured)
    assert {families[name.split("-")[0]] for name in runners} == told
    # MSVC, which CMake takes where it is not told otherwise, cannot compile the core
    assert configured["windows"]["environment"] == {"CMAKE_GENERATOR": "Ninja", "CXX": "g++"}


def test_paths_of_the_build_have_slashes_on_any_system():
    """Backslashes, which Windows' Python writes, are escapes in what CMake installs by."""
    build = (ROOT / "cmake/OpenBLAS.cmake").read_text()
    asked = re.search(r'-c\s+"(.+?)"\s+OUTPUT_VARIABLE', build, re.DOTALL)
    assert "as_posix()" in asked[1]


@pytest.mark.parametrize("name", ["bug", "wish"])
def test_a_template_of_an_issue_asks(name):
    form = read(ROOT / f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "labels", "body"} == set(form)
    names = [part["id"] for part in form["body"]]
    assert len(names) == len(set(names)) > 0
    assert all(part["attributes"]["label"] for part in form["body"])


def test_versions_agree():
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == VERSION
    assert citation["license"] == PROJECT["project"]["license"]
    assert f'set version = "{VERSION}"' in (ROOT / "recipe/meta.yaml").read_text()


def test_the_recipe_needs_what_the_package_needs():
    import jinja2

    text = jinja2.Template((ROOT / "recipe/meta.yaml").read_text()).render(
        PYTHON="python", compiler=lambda name: name, stdlib=lambda name: name
    )
    recipe = yaml.safe_load(text)
    other = {"torch": "pytorch", "matplotlib": "matplotlib-base"}

    def plain(needs):
        parts = (re.match(r"([\w-]+) ?([^; ]*)", need).groups() for need in needs)
        return {(other.get(name, name), least) for name, least in parts}

    needed = plain(PROJECT["project"]["dependencies"])
    assert plain(recipe["requirements"]["run"]) - {("python", "")} == needed
    assert recipe["package"]["version"] == VERSION


def test_the_container_copies_what_is_there():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied == [".", "constraints.txt"]
    assert all((ROOT / name).exists() for name in copied)


def test_every_extra_is_told_and_looked_for():
    from divulge.cli.doctor import EXTRAS

    extras = PROJECT["project"]["optional-dependencies"]
    page = (ROOT / "docs/install.md").read_text()
    assert [name for name in extras if f"`divulge[{name}]`" not in page] == []
    used = {need.split(">=")[0] for name in set(extras) - {"bench", "docs", "test"} for need in extras[name]}
    assert used - set(EXTRAS) == set()


def test_ci_runs_the_commands_of_the_readme():
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1].splitlines()
    assert len(block) == 2
    assert block[0].endswith("divulge reconstruct")
    assert "pytest" in block[1]
    assert 'bash -euxo pipefail -c "$(readme_commands)"' in (ROOT / ".ci/run").read_text()

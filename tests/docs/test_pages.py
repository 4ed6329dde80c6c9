"""Code on pages runs, links lead somewhere, pictures have words, and every public name is on a page."""

import doctest
import inspect
import pkgutil
import re
from importlib import import_module

import pytest
import torch
from doc_pages import PAGES, ROOT, anchors, blocks, broken, links

import divulge

DOCS = ROOT / "docs"
RUN = ["start", "howto/api", "howto/onnx", "howto/gpu", "howto/defence", "howto/explanation"]
# Pages whose blocks of Python are not run, each with the reason.
NOT_RUN = {
    "README": "docs/start.md has the same lines",
    "own": "they name files and models of the reader's own",
    "influence": "they name models and texts of the reader's own",
    "explanations": "they name a model of the reader's own; tests/explanations has each call",
    "bits": "they name a module of the reader's own; tests/bits has each call",
    "diffroar": "they train for minutes",
    "surrogates": "they name a victim of the reader's own",
    "saliency": "they name a module of the reader's own; the tutorial on backdoors runs the same calls",
    "commands": "they name a module of the reader's own; the tutorials run the same calls",
    "reconstruction": "they name an oracle of the reader's own",
}


def name_of(page):
    return page.relative_to(DOCS if DOCS in page.parents else ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("name", RUN)
def test_code_on_a_page_runs(name, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    code = blocks(DOCS / f"{name}.md", "python")
    assert code
    names = {"__name__": "page"}
    for block in code:
        exec(compile(block, f"{name}.md", "exec"), names)


def test_every_page_with_python_is_run_or_says_why_not():
    with_code = {name_of(page) for page in PAGES if blocks(page, "python")}
    assert with_code <= {*RUN, *NOT_RUN}
    assert not set(RUN) & set(NOT_RUN)


@pytest.mark.parametrize("page", sorted((DOCS / "api").glob("*.md")), ids=lambda page: page.stem)
def test_examples_of_the_reference_are_right(page):
    names = {"divulge": divulge, "torch": torch}
    examples = blocks(page, "pycon")
    assert page.stem == "index" or any(re.search(r"^[^>.\s]", block, re.M) for block in examples)
    for block in examples:
        test = doctest.DocTestParser().get_doctest(block, names, page.name, page.name, 0)
        said = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        runner.run(test, out=said.append, clear_globs=False)
        assert not runner.failures, "".join(said)
        names = test.globs


def test_links_lead_somewhere():
    assert {name_of(page): broken(page) for page in PAGES if broken(page)} == {}


def test_the_checker_sees_links(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A b\n[x](nowhere.md) [y](#a-b) [z](#c) ![p](p.png) [w](https://a.b)\n```\n[n](n.md)\n```\n"
    )
    assert anchors(page) == {"a-b"}
    assert links(page) == ["nowhere.md", "#a-b", "#c", "p.png", "https://a.b"]
    assert broken(page) == ["nowhere.md", "#c", "p.png"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pictures_have_words_for_who_cannot_see_them(page):
    for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text(encoding="utf-8")):
        assert len(words.split()) >= 4, f"a picture of {page.name} has no alternative text: {words!r}"


def test_every_public_package_has_a_page_of_the_reference():
    packages = {part.name for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg}
    told = {page.stem for page in (DOCS / "api").glob("*.md")} - {"index", "top"}
    assert told == packages - {"cli", "reference"}
    for name in told:
        assert f".. automodule:: divulge.{name}\n" in (DOCS / "api" / f"{name}.md").read_text()


def test_every_name_of_the_package_is_in_the_reference():
    index = (DOCS / "api" / "top.md").read_text()
    whole = tuple(re.findall(r"automodule:: (\S+)", index))
    for name in set(divulge.__all__) - {part.name for part in pkgutil.iter_modules(divulge.__path__)}:
        home = getattr(getattr(divulge, name), "__module__", "divulge")
        packages = {f"divulge.{part.name}" for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg}
        shown_there = any(home.startswith(f"{package}.") for package in packages) and any(
            name in import_module(package).__all__ for package in packages
        )
        assert shown_there or home in whole or re.search(rf"\b{name}\b", index), name


def test_names_without_words_of_their_own_have_them_in_the_reference():
    for name in {part.name for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg} - {
        "cli",
        "reference",
    }:
        package = import_module(f"divulge.{name}")
        page = (DOCS / "api" / f"{name}.md").read_text()
        told = set(re.findall(r"py:data:: (\w+)\n\n   \w", page))
        assert told == {public for public in package.__all__ if not takes_words(getattr(package, public))}


def public_names():
    """Every public name with what it is, once; packages themselves left out."""
    parts = [part.name for part in pkgutil.iter_modules(divulge.__path__) if part.ispkg]
    packages = [
        divulge,
        *(import_module(f"divulge.{name}") for name in parts if name not in ("cli", "reference")),
    ]
    found = {name: getattr(package, name) for package in packages for name in package.__all__}
    return {name: thing for name, thing in found.items() if not inspect.ismodule(thing)}


def test_every_public_name_is_in_an_example_of_the_reference():
    code = "".join("".join(blocks(page, "pycon")) for page in (DOCS / "api").glob("*.md"))
    assert [name for name in public_names() if not re.search(rf"\b{name}\b", code)] == []


def test_public_functions_say_what_they_raise():
    nothing = {"accuracy", "build_config", "digits", "evaluating", "threads"}  # for arguments of their types
    functions = {name: thing for name, thing in public_names().items() if inspect.isfunction(thing)}
    assert {name for name, thing in functions.items() if "Raises:" not in inspect.getdoc(thing)} == nothing


def takes_words(thing):
    return inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)

"""Examples in docstrings and in the Markdown pages run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tinygrad6
from tinygrad6.op import COMPOSITES, OPS

ROOT = Path(__file__).parent.parent
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if p.exists()]
# as for users: see tinygrad6/__init__.py
IEEE = "ignore:(divide by zero|invalid value|overflow) encountered:RuntimeWarning"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def packages():
    yield "tinygrad6"
    for found in pkgutil.walk_packages(tinygrad6.__path__, "tinygrad6."):
        yield found.name
    for package in (tinygrad6.nn, tinygrad6.optim):  # lie elsewhere in a checkout
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            yield found.name


@pytest.mark.filterwarnings(IEEE)
@pytest.mark.parametrize("name", sorted(set(packages())))
def test_docstring_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert module.__doc__ and len(module.__doc__) > 10, f"{name} does not say what it is"
    result = doctest.testmod(module, optionflags=FLAGS, extraglobs={"torch": tinygrad6})
    assert result.failed == 0


def test_docstring_examples_of_ops():
    """Ops are functions made from their blocks; doctest does not see that they belong to a module."""
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=FLAGS)
    for name, call in [*((n, o.call) for n, o in OPS.items()), *COMPOSITES.items()]:
        text = call.__doc__ or ""
        if ">>>" in text:
            parser = doctest.DocTestParser()
            runner.run(parser.get_doctest(text, {"torch": tinygrad6}, name, None, 0))
    assert finder and runner.failures == 0


@pytest.mark.skipif(not PAGES, reason="runs from a checkout")
@pytest.mark.filterwarnings(IEEE)
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_markdown_examples(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": "example"}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, space, page.name, str(page), 0)
            assert doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False).failed == 0
            space.update(test.globs)  # later blocks go on from here
        else:
            exec(compile(block, str(page), "exec"), space)


@pytest.mark.skipif(not PAGES, reason="runs from a checkout")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which is missing"

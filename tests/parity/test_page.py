"""docs/parity.md is what page.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).with_name("page.py")


@pytest.mark.filterwarnings("ignore")
def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("page", PATH)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.PAGE.read_text() == page.page(), "run: python tests/parity/page.py"

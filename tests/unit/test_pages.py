"""Every page in tests/pages is read as its expected.json says, field by field."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.shared.contracts import Extraction, RawPage
from worker.extract import extract
from worker.normalize import normalize

PAGES = Path(__file__).parents[1] / "pages"
CASES = sorted(path.name for path in PAGES.iterdir() if path.is_dir())


def expected(case: str) -> dict[str, Any]:
    """Return what a page of tests/pages is to give."""
    truth: dict[str, Any] = json.loads((PAGES / case / "expected.json").read_text("utf-8"))
    return truth


def reading(case: str) -> dict[str, Any]:
    """Return what the worker reads from a page, by the names used in expected.json."""
    meta = json.loads((PAGES / case / "meta.json").read_text("utf-8"))
    page = RawPage(body=(PAGES / case / "page.html").read_bytes(), origin=case, **meta)
    extraction = extract(page)
    if not isinstance(extraction, Extraction):
        return {"rejection": extraction.reason}
    article = normalize(extraction, page)
    read = article.extraction
    return {
        **{name: getattr(read, name) for name in Extraction.__dataclass_fields__},
        "authors": list(read.authors),
        "captions": list(read.captions),
        "paragraphs": read.text.split("\n\n"),
        "url": article.url,
    }


def value(name: str, written: Any) -> Any:
    """Return a value of expected.json in the type of the record."""
    return datetime.fromisoformat(written) if name.endswith("_at") and written else written


@pytest.mark.parametrize(
    ("case", "name"), [(case, name) for case in CASES for name in expected(case)]
)
def test_field(case: str, name: str) -> None:
    """The field, or the reason for the refusal, is what the page says."""
    assert reading(case).get(name) == value(name, expected(case)[name])


def test_every_kind_of_trap_is_there() -> None:
    """The folder is read: an empty list of cases would pass unseen."""
    assert len(CASES) > 15

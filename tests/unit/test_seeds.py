"""The five seed documents are read exactly as seeds/expected.json says."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.importer import texts
from services.shared.contracts import Article, Extraction, RawPage
from worker.extract import extract
from worker.normalize import normalize

SEEDS = Path(__file__).parents[2] / "seeds"
EXPECTED: dict[str, dict[str, Any]] = {
    name: truth
    for name, truth in json.loads((SEEDS / "expected.json").read_text("utf-8")).items()
    if not name.startswith("_")
}

each_seed = pytest.mark.parametrize("name", sorted(EXPECTED))


def lines_of(name: str) -> list[str]:
    """Return the lines of a seed with single spaces, as they are counted in expected.json."""
    return [" ".join(line.split()) for line in (SEEDS / name).read_text("utf-8").splitlines()]


def article_of(name: str) -> Article:
    """Return what the worker makes of the page that the importer makes of a seed."""
    page = RawPage(body=texts.page((SEEDS / name).read_text("utf-8")), origin=f"seeds/{name}")
    extraction = extract(page)
    assert isinstance(extraction, Extraction), extraction
    return normalize(extraction, page)


@each_seed
def test_title(name: str) -> None:
    """The headline, without the site's name and the remains of a tag."""
    assert article_of(name).extraction.title == EXPECTED[name]["title"]


@each_seed
def test_language(name: str) -> None:
    """The language of the text."""
    assert article_of(name).extraction.language == EXPECTED[name]["language"]


@each_seed
def test_published_at(name: str) -> None:
    """The date above the text in the zone of its city, and none where only the text has dates."""
    written = EXPECTED[name]["published_at"]
    published_at = article_of(name).extraction.published_at
    assert published_at == (datetime.fromisoformat(written) if written else None)


@each_seed
@pytest.mark.parametrize("field", ["authors", "site_name", "section", "dateline"])
def test_named_fields(name: str, field: str) -> None:
    """Authors, site, section and dateline where the document states them, and only there."""
    got = getattr(article_of(name).extraction, field)
    assert (list(got) if isinstance(got, tuple) else got) == EXPECTED[name].get(field)


@each_seed
def test_body(name: str) -> None:
    """Every paragraph of the body in order, headings marked, and nothing else."""
    truth, lines = EXPECTED[name], lines_of(name)
    first, last = truth["body_lines"]
    expected = [
        f"## {lines[i]}" if i in truth["headings"] else lines[i]
        for i in range(first, last + 1)
        if lines[i]
    ]
    assert article_of(name).extraction.text.split("\n\n") == expected


@each_seed
def test_captions(name: str) -> None:
    """Captions stand apart, without the word of the icon before them."""
    lines = lines_of(name)
    expected = [lines[i].removeprefix("camera icon") for i in EXPECTED[name]["captions"]]
    assert list(article_of(name).extraction.captions) == expected


@each_seed
def test_comments(name: str) -> None:
    """Reader comments stand apart, with author and age as written."""
    lines = lines_of(name)
    expected = [
        (said["author"], said["age"], lines[said["line"]]) for said in EXPECTED[name]["comments"]
    ]
    comments = article_of(name).extraction.comments
    assert [(said.author, said.age, said.text) for said in comments] == expected


@each_seed
def test_a_document_without_an_address_is_known_by_its_bytes(name: str) -> None:
    """The key of a document that states no address is the hash of its capture."""
    article = article_of(name)
    assert article.url.startswith("urn:sha256:")
    assert article.normalized_url == article.url

"""The benchmark's extractors: each reads a page, and one that is not installed is left out."""

import importlib.util

import pytest

from benchmarks import extraction, extractors

SENTENCE = "The council met on Monday and spoke about the bridge across the river for two hours."
PAGE = "".join(
    f"<p>{SENTENCE} {word} of the speakers was of another opinion than the last.</p>"
    for word in ("One", "Two", "Three", "Four", "Five")
)
MODULES = {"readability-lxml": "readability", "newspaper4k": "newspaper"}


@pytest.mark.parametrize("name", extractors.NAMES)
@pytest.mark.filterwarnings("ignore")  # what others warn of is not the subject
def test_each_extractor_reads_a_page(name: str) -> None:
    """Each that is installed gives the page's text, in the same form."""
    read = extractors.load(name)
    if read is None:
        assert importlib.util.find_spec(MODULES[name]) is None
        return
    html = f"<html><title>A bridge</title><body><article>{PAGE}</article></body></html>"
    answer = read(html.encode(), "https://example.org/1")
    assert SENTENCE in answer["text"]
    assert {"title", "text"} <= answer.keys() <= {"title", "text", "authors", "date"}


def test_an_unknown_extractor_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name ends with the names there are; one not installed is left out with a word."""
    with pytest.raises(SystemExit, match="no extractor 'trafilatur'; there are rasid, trafilatura"):
        extraction._readers(["trafilatur"])
    missing = [name for name in extractors.NAMES if extractors.load(name) is None]
    extraction._readers(missing)
    assert capsys.readouterr().err.count("uv pip install --group bench") == len(missing)


def test_costs_are_weighed_by_pages() -> None:
    """The mean over all corpora counts each page once, and is set against trafilatura's."""
    results = {
        "a": {
            "rasid": {"cpu_ms_mean": 10.0, "pages": 3},
            "trafilatura": {"cpu_ms_mean": 20.0, "pages": 3},
        },
        "b": {
            "rasid": {"cpu_ms_mean": 30.0, "pages": 1},
            "trafilatura": {"cpu_ms_mean": 40.0, "pages": 1},
        },
    }
    assert extraction.costs(results, {"rasid": 99.6})[2:] == [
        "| rasid | 15.0 | 0.60 | 100 |",
        "| trafilatura | 25.0 | 1.00 |  |",
    ]

"""Promises of worker.lead: the lead that a page shows apart from its body is part of the text."""

import pytest

from services.shared.contracts import Extraction, RawPage
from worker.extract import extract

LEAD = (
    "The harbour board has put off its decision about the sea wall to the spring, after two hours "
    "in which crews, shopkeepers and engineers were heard."
)
BODY = "The engineers had come with drawings of two walls, a high one and a low one. " * 4


def text(above: str, description: str = LEAD) -> str:
    """Return the text of a page with this between headline and body."""
    markup = (
        f"<html><head><title>Board puts off wall</title>"
        f"<meta name=description content='{description}'></head><body>"
        f"<main><h1>Board puts off wall</h1>{above}<div class=body>"
        f"{f'<p>{BODY}</p>' * 3}</div></main></body></html>"
    )
    read = extract(RawPage(body=markup.encode(), origin="test"))
    assert isinstance(read, Extraction)
    return read.text


def test_a_lead_below_the_headline_is_the_first_paragraph() -> None:
    """What the description says, as the page shows it, stands once at the head of the text."""
    read = text(f"<div class=announce><span>{LEAD}</span></div>")
    assert read.startswith(LEAD)
    assert read.count(LEAD) == 1


@pytest.mark.parametrize(
    "above",
    [
        "",
        f'<div class="theme-post-excerpt"><div>{LEAD}</div></div>',
        "<div class=announce><span>A short kicker.</span></div>",
    ],
    ids=["not shown", "made by software", "too short"],
)
def test_a_description_alone_is_no_text(above: str) -> None:
    """A description that the page does not show as a lead is not made into text."""
    assert LEAD not in text(above)

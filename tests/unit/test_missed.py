"""Promises of worker.missed: a body taken in part becomes whole; comments and lists stay out."""

import pytest

from worker import tree
from worker.body import missed
from worker.fields import places

LEAD = "Every winter the sea comes over the wall, and the town has learned how to show it the way."
SECTIONS = {
    "Before the storm": "Boats are moored with two lines and the hatches are closed. Whoever has a "
    "cellar on the quay carries up what must stay dry.",
    "While it blows": "Nobody walks on the sea wall. The lifeboat crew sleeps in the station, and "
    "the bridge is shut to lorries when the wind gauge shows ten.",
    "When the water comes": "The siren sounds three times. The lower streets are cleared, the "
    "gymnasium is opened, and the soup kitchen starts to cook.",
    "On the morning after": "The harbour master looks at the wall with a torch before the tide "
    "turns. Bricks are counted, doors are dried.",
}
HEAD = f"<h1>How the town lives with storms</h1><div class=lead><p>{LEAD}</p></div>"
BOXES = "".join(
    f"<div class=row><h2>{title}</h2><div class=text><p>{text}</p></div></div>"
    for title, text in SECTIONS.items()
)


def completed(body: str, taken: list[str]) -> list[str]:
    """Return the lines of a page with this body, of which these were taken."""
    markup = f"<html><head><title>How the town lives with storms</title></head><body>{body}</body>"
    root = tree.parse(markup)
    assert root is not None
    around = places.around(places.headline(root))
    return missed.complete(root, around, markup, taken)


def test_sections_in_containers_of_their_own_are_added() -> None:
    """All sections with their headings, in the order of the page, each once."""
    whole = [LEAD, *(line for section in SECTIONS.items() for line in section)]
    assert completed(f"<main>{HEAD}{BOXES}</main>", [LEAD]) == whole


def test_a_text_for_two_widths_of_screen_is_taken_once() -> None:
    """A page that holds its sections twice gives them once."""
    taken = [LEAD, SECTIONS["Before the storm"]]
    lines = completed(f"<main>{HEAD}<div>{BOXES}</div><div>{BOXES}</div></main>", taken)
    assert lines.count(SECTIONS["While it blows"]) == 1


@pytest.mark.parametrize(
    "around",
    [
        '<section class="comments">{}</section>',
        '<aside class="related-stories">{}</aside>',
        "<footer>{}</footer>",
        '<div class="newsletter-box">{}</div>',
        "<div hidden>{}</div>",
    ],
)
def test_what_stands_in_lists_and_chrome_was_not_missed(around: str) -> None:
    """Comments, other articles and the foot of the page stay out, however long they are."""
    taken = [LEAD * 8]
    body = f"<main>{HEAD}<p>{LEAD * 8}</p></main>{around.format(BOXES)}"
    assert completed(body, taken) == taken


def test_teasers_are_not_missed_text() -> None:
    """Summaries below the headlines of other articles stay out."""
    teasers = "".join(
        f'<div class=row><h3><a href="/{place}">{title} in the harbour</a></h3><p>{text}</p></div>'
        for place, (title, text) in enumerate(SECTIONS.items())
    )
    taken = [LEAD * 8]
    assert completed(f"<main>{HEAD}<p>{LEAD * 8}</p></main><div>{teasers}</div>", taken) == taken


def test_a_little_more_is_not_taken() -> None:
    """What would lengthen the text by a few lines only may be a box, and is left."""
    text = "The town held a meeting about the wall and found no answer that pleased everyone. " * 40
    taken = [text.strip()]
    assert completed(f"<main>{HEAD}<p>{text}</p>{BOXES}</main>", taken) == taken


STEPS = [
    f"Step {n}: the harbour crew lowers gate {n} by hand, and somebody calls out its mark."
    for n in range(1, 6)
]


def page_of(lines: list[str]) -> str:
    """Return a body with these lines, one a paragraph."""
    return f"<main>{HEAD}{''.join(f'<p>{line}</p>' for line in lines)}</main>"


def test_what_stands_between_the_taken_lines_is_put_in_its_place() -> None:
    """Lines missed in the midst of the body come back in the order of the page, nothing else."""
    first, second = list(SECTIONS.values())[:2]
    whole = [LEAD, first, *STEPS[:4], second]
    assert completed(page_of(whole), [LEAD, first, second]) == whole


def test_a_line_beyond_the_last_that_was_taken_stays_out() -> None:
    """A box below the body is no gap in it, though both other opinions have it."""
    first, second = list(SECTIONS.values())[:2]
    taken = [LEAD, first, second]
    assert completed(page_of([*taken, STEPS[0], STEPS[1]]), taken) == taken


def test_teasers_between_the_paragraphs_stay_out() -> None:
    """Headlines of other articles between two paragraphs were not missed."""
    first, second = list(SECTIONS.values())[:2]
    teasers = "".join(f"<li><h3><a href=/{n}>{line}</a></h3></li>" for n, line in enumerate(STEPS))
    body = f"<main>{HEAD}<p>{first}</p><ul>{teasers}</ul><p>{second}</p></main>"
    assert completed(body, [LEAD, first, second]) == [LEAD, first, second]

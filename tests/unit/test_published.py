"""Promises of worker.published and worker.shown for pages of any shape."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from worker import tree
from worker.fields import published
from worker.fields.page import read as read_page
from worker.fields.reading import Reading

TITLE = "Old stone bridge reopens after three years"
FETCHED = datetime(2025, 10, 1, tzinfo=UTC)
_WRITTEN = st.sampled_from(
    [
        *(
            "2 March 2025",
            "2025-03-02T10:00:00Z",
            "3/4/2025",
            "14 رجب 1445 هـ",
            "Updated: ",
            "2031",
        ),
        *("12 January 2031", "منذ 3 ساعات", "Published ", "1403/05/12", "x", "", "09:30", "+99:00"),
        *("9 كانون الثاني", "5 มิ.ย. 2563", "令和2年7月13日", "31/12/2031"),
    ]
)
_TAGS = st.sampled_from(["p", "div", "time", "span class=date", "footer", "article", "li", "nav"])
_ELEMENTS = st.tuples(_TAGS, st.lists(_WRITTEN, max_size=3).map(" ".join))
_METAS = st.sampled_from(["pubdate", "datemodified", "date", "x", "article:published_time"])


def _markup(elements: list[tuple[str, str]]) -> str:
    return "".join(f"<{tag}>{text}</{tag.split()[0]}>" for tag, text in elements)


def _read(head: str, body: str, url: str | None = None) -> published.Dates:
    root = html.document_fromstring(f"<title>{TITLE}</title>{head}<body>{body}")
    reading = Reading(language="en", latest=FETCHED)
    return published.read(read_page(root, url), reading)


@given(
    st.lists(st.tuples(_METAS, _WRITTEN), max_size=3),
    st.lists(_ELEMENTS, max_size=4),
    st.lists(_ELEMENTS, max_size=6),
    st.sampled_from([None, "", "https://quay.uk/2031/12/31/a", "https://[::1/2025/03/02/", "x"]),
)
def test_any_page_has_believable_dates_or_none(
    metas: list[tuple[str, str]],
    above: list[tuple[str, str]],
    below: list[tuple[str, str]],
    url: str | None,
) -> None:
    """Nothing is raised; a date is seen on the page and not after the fetch, and has a witness."""
    head = "".join(f'<meta name={name} content="{text}">' for name, text in metas)
    found = _read(head, f"{_markup(above)}<h1>{TITLE}</h1>{_markup(below)}", url)
    for date in (found.published, found.modified):
        assert date is None or date.instant.at <= FETCHED + timedelta(days=1)
        assert date is None or date.witness in {"meta", "visible", "modified", "url"}
    assert found.published is None or found.seen == found.published.seen


@given(st.lists(_ELEMENTS, max_size=6))
def test_dates_in_lists_of_other_articles_are_never_taken(below: list[tuple[str, str]]) -> None:
    """Whatever stands in a list of related articles, in comments or in the menu dates nothing."""
    body = "".join(
        f"<{tag} class={name}>{_markup(below)}</{tag}>"
        for tag, name in (("div", "related-posts"), ("ol", "comments"), ("nav", "menu"))
    )
    assert _read("", f"<h1>{TITLE}</h1>{body}") == published.Dates()


@pytest.mark.parametrize(
    "shown",
    [
        "<div><p>Last updated:</p><div><time datetime=2025-03-02>2 March 2025</time></div></div>",
        "<div class=field--name-changed><time datetime=2025-03-02>2 March 2025</time></div>",
        "<p class=post__updatedAt>2 March 2025</p>",
        "<div class=post-date__modified-date><span>2 March 2025</span></div>",
    ],
)
def test_what_only_a_box_calls_an_update_is_no_publication(shown: str) -> None:
    """A label in the box before, or the class of the box around, says what a date is."""
    found = _read("", f"<h1>{TITLE}</h1>{shown}<p>The bridge is open.</p>")
    assert found.published is None
    assert found.modified is not None
    assert found.modified.instant.at.date().isoformat() == "2025-03-02"


@pytest.mark.parametrize(
    "shown",
    [
        "<p class='entry-date published updated'>2 March 2025</p>",
        "<div><p>Reviewed by Mira Aalto</p><div><p>2 March 2025</p></div></div>",
    ],
)
def test_a_date_beside_such_words_is_a_publication(shown: str) -> None:
    """What is called published as well, or stands after another line, stays the publication."""
    found = _read("", f"<h1>{TITLE}</h1>{shown}<p>The bridge is open.</p>")
    assert found.published is not None


def test_how_long_something_went_on_is_no_date_of_the_page() -> None:
    """Two days with a dash between them are a span."""
    found = _read("", f"<p>Date: 2025-03-02 - 2025-03-07</p><h1>{TITLE}</h1>")
    assert found.published is None


@pytest.mark.parametrize(
    "mark",
    [
        '<span data-time="1594448702">2 hours ago</span>',
        '<span class=ago data-timestamp="1594448702000"></span>',
        '<i class="_timestamp js-short-timestamp" data-unix-time="1594448702">2h</i>',
        "<script>showDate('2020/07/11 06:25:02');</script>",
        '<script> document.write("2020-07-11 06:25:02") </script>',
        '<script>show.date("2020/07/11 06:25:02 06:25:02")</script>',
    ],
)
def test_a_date_that_a_script_would_show_is_seen(mark: str) -> None:
    """What readers see only where scripts run is a date of the page as well."""
    markup = f"<title>{TITLE}</title><body><h1>{TITLE}</h1><p>{mark} by A. Writer</p>"
    root = tree.parse(markup)
    assert root is not None
    found = published.read(read_page(root), Reading(language="en", latest=FETCHED))

    assert found.published
    assert found.published.instant.at == datetime(2020, 7, 11, 6, 25, 2, tzinfo=UTC)
    assert found.published.witness == "visible"


@pytest.mark.parametrize(
    "mark",
    [
        '<span class=ago data-time="159444870">2h</span>',
        '<span class=ago data-time="1594448702x">2h</span>',
        '<span class=ago data-times="1594448702">2h</span>',
        '<div class=countdown data-time="1594448702">12</div>',
        '<div class=player data-timestamp="1594448702"></div>',
        '<div id=clock data-time="1594448702">10:00</div>',
        '<div class=date data-time="1594448702"><b>much</b> else</div>',
        "<script>startCountdown('2020/07/11 06:25:02')</script>",
        "<script>App.setBuild('2020-07-11')</script>",
        "<script>poll.expires('2020/07/11')</script>",
        "<script>showDate('2020/07/11 06:25:02', 'at last'); more()</script>",
        "<script>var a = '2020/07/11 06:25:02'</script>",
        "<script>poll('vote 2020/07/11')</script>",
    ],
)
def test_what_a_script_may_do_with_a_date_is_not_guessed(mark: str) -> None:
    """A number that is no instant, and a script that does more than write a date, say nothing."""
    markup = f"<title>{TITLE}</title><body><h1>{TITLE}</h1><p>{mark} by A. Writer</p>"
    root = tree.parse(markup)
    assert root is not None

    assert published.read(read_page(root), Reading(language="en", latest=FETCHED)).published is None


def test_a_date_in_words_goes_before_an_attribute() -> None:
    """Where an element shows a whole date, its attribute is not asked."""
    found = _read(
        "", f'<h1>{TITLE}</h1><span class=date data-time="1594448702">3 March 2021</span>'
    )

    assert found.published
    assert found.published.instant.at == datetime(2021, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "page",
    [
        '<body data-timestamp="1594448702"><h1>{}</h1><p>{}',
        '<div id=app data-time="1594448702"><h1>{}</h1><p>{}</div>',
        '<h1>{}</h1><div class=text data-time="1594448702"><p>{}</p></div>',
    ],
)
def test_what_holds_much_is_no_date(page: str) -> None:
    """An attribute of the whole page, or of a box of it, says nothing of the article."""
    root = tree.parse(page.format(TITLE, "A long sentence of the text that says nothing. " * 9))
    assert root is not None

    assert published.read(read_page(root), Reading(language="en", latest=FETCHED)).published is None

"""Promises of bylines: who is named in a line, and which lines of a page name its authors."""

import time

import pytest

from worker import tree
from worker.fields import authors, names
from worker.fields.page import read as read_page

HEADLINE = "Old stone bridge reopens after three years"
BODY = "<p>The council voted on Tuesday to open the bridge to traffic again, officials said.</p>"


@pytest.mark.parametrize(
    ("line", "people"),
    [
        ("By Mira Aalto", ["Mira Aalto"]),
        ("Written by: Mira Aalto and Jonas Beck", ["Mira Aalto", "Jonas Beck"]),
        ("By Mira Aalto, Jonas Beck & Chi Du", ["Mira Aalto", "Jonas Beck", "Chi Du"]),
        ("Mira Aalto, Senior Reporter", ["Mira Aalto"]),
        ("Mira Aalto Staff Writer", ["Mira Aalto"]),
        ("Mira Aalto | Reuters", ["Mira Aalto"]),
        ("Von Mira Aalto und Jonas Beck, Berlin", ["Mira Aalto", "Jonas Beck"]),
        ("Von Mira Aalto in Kairo", ["Mira Aalto"]),
        ("Par Mira Aalto et Jonas Beck", ["Mira Aalto", "Jonas Beck"]),
        ("Por Mira Aalto y Jonas Beck", ["Mira Aalto", "Jonas Beck"]),
        ("Mira Aalto/Jonas Beck", ["Mira Aalto", "Jonas Beck"]),
        ("Anna-Lena von der Heide", ["Anna-Lena von der Heide"]),
        ("بقلم: سلمى الخطيب", ["سلمى الخطيب"]),
        ("كتبت سلمى الخطيب", ["سلمى الخطيب"]),
        ("إعداد: أحمد وليد", ["أحمد وليد"]),
        ("سلمى الخطيب وأحمد علي", ["سلمى الخطيب", "أحمد علي"]),
        ("سلمى الخطيب و وليد علي", ["سلمى الخطيب", "وليد علي"]),
        ("تحرير: سلمى الخطيب، رويترز", ["سلمى الخطيب"]),
        ("نویسنده: مریم احمدی", ["مریم احمدی"]),
        ("記者 王小明", ["王小明"]),
        ("本报记者王小明", ["王小明"]),
        ("文/王小明", ["王小明"]),
        ("文在寅", ["文在寅"]),
        ("홍길동 기자", ["홍길동"]),
        ("Reuters", ["Reuters"]),
        ("Bruce Y. Lee", ["Bruce Y. Lee"]),
        ("Mira Aalto For The Quay", ["Mira Aalto"]),
        ("Mira Aalto, Jonas Beck | THE QUAY", ["Mira Aalto", "Jonas Beck"]),
        ("記者王小明／即時報導", ["王小明"]),
        ("Photo: Mira Aalto", []),
        ("Фото: Анна Иванова", []),
        ("(القاهرة - وكالات)", []),
        ("https://social.example/miraaalto", []),
        ("mira@quay.example", []),
        ("admin", []),
        ("Written by:", []),
    ],
)
def test_people_are_told_from_what_stands_around_them(line: str, people: list[str]) -> None:
    """Labels, roles, places and employers are no names; an agency alone is what the page says."""
    assert list(names.people([line])) == people


def read(body: str, head: str = "") -> tuple[str, ...]:
    """Return the authors of a page with this body below its headline."""
    root = tree.parse(
        f"<html><head><title>{HEADLINE}</title>{head}</head><body><h1>{HEADLINE}</h1>{body}"
        "</body></html>"
    )
    assert root is not None
    found = authors.read(read_page(root), "The Quay")
    return found[1] if found else ()


@pytest.mark.parametrize(
    "body",
    [
        "<div>By <a href=/x>Mira Aalto</a></div>",
        "<div><span>By</span> <a>Mira Aalto</a></div>",
        "<div><p>Written by</p><p>Mira Aalto</p><p>" + "Words that follow. " * 9 + "</p></div>",
        f"{BODY * 90}<div class=elementor-widget><p>Written by Mira Aalto</p></div>",
        "<div class=byline>Guide <span class=author>by Mira Aalto</span></div>",
        "<div class='Article_articleAuthor__x1'>Mira Aalto</div>",
        "<p>17 December 2025</p><a href=/authors/mira-aalto>Mira Aalto</a>",
        "<header>Mira Aalto | Senior Writer | July 2, 2025</header>",
        "<div vocab='https://schema.org/'><b property=author>Mira Aalto</b></div>",
        f"{BODY}<div><b>Mira Aalto</b><p>Mira Aalto is a writer who lives by the river.</p></div>",
    ],
)
def test_a_byline_is_found_in_any_dress(body: str) -> None:
    """Labels, links to an author's page and the box below the text name the author."""
    assert read(body) == ("Mira Aalto",)


def test_all_authors_of_a_byline_are_found() -> None:
    """Links that stand together, and elements of one kind, are a name each."""
    links = "<a href=/author/a>Mira Aalto</a> <a href=/author/b>Jonas Beck</a>"
    assert read(f"<p>By {links}</p>") == ("Mira Aalto", "Jonas Beck")
    marks = "<span class=author>Mira Aalto</span><span class=author>Jonas Beck</span>"
    assert read(f"<p>{marks}</p>") == ("Mira Aalto", "Jonas Beck")


@pytest.mark.parametrize(
    "body",
    [
        "<p>By the end of the month the ferry will stop</p>",
        "<div class=author>Written by</div>",
        f"{BODY}<p>Mira Aalto is a farmer who lives by the river, and crosses it often.</p>",
        "<div class=related><a href=/author/b>Mira Aalto</a></div>" + BODY * 90,
        f"{BODY * 90}<a href=/people/mira-aalto>Mira Aalto</a>",
        "<p>Mira Aalto, the mayor | July 2, 2025</p>",
    ],
)
def test_people_in_the_news_are_no_authors(body: str) -> None:
    """A name in the text, or in a list of other articles, is nobody who wrote this one."""
    assert read(body) == ()


def test_an_account_gives_way_to_a_person() -> None:
    """The name of an account is kept only where the page names no person."""
    account = "<meta name=author content=mira.aalto>"
    assert read("", account) == ("mira.aalto",)
    assert read("<p>By Jonas Beck</p>", account) == ("Jonas Beck",)


@pytest.mark.parametrize(
    "body",
    [
        f"<div class=author>{'by ' * 100_000}</div>",
        "<p>Written by</p>" * 20_000,
        "<div class=author>" * 1000 + "<span class=author>x</span>" * 20_000,
        "<p>Mira Aalto is a writer who lives by the river and more.</p>" * 20_000,
    ],
)
def test_a_page_of_bylines_takes_no_longer_than_another(body: str) -> None:
    """Marks without end cost a bounded time, far below the seconds that each squared would."""
    root = tree.parse(f"<title>{HEADLINE}</title><h1>{HEADLINE}</h1>{body}")
    assert root is not None
    page = read_page(root)
    start = time.process_time()
    authors.read(page, None)
    assert time.process_time() - start < 2

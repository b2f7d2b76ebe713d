from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared import source_files, sources
from services.shared.errors import InvalidSources
from services.shared.source_files import Format
from services.shared.sources import CrawlPolicy, Feed, Rules, Source

FORMATS: list[Format] = ["yaml", "opml", "csv"]
FULL = Source(
    name="al-sahil",
    title='جريدة الساحل: "أخبار", رأي & <فن>',
    home_page="https://sahil.example/",
    country="JO",
    language="ar",
    time_zone="Asia/Amman",
    enabled=False,
    crawl=CrawlPolicy(delay_s=2.5, concurrency=2, user_agent="Bot: x", max_age_days=30),
    rules=Rules(body="div.story > p", remove="aside, .advert"),
    feeds=(
        Feed(url="https://sahil.example/rss?a=1&b=2"),
        Feed(url="https://sahil.example/map.xml", kind="sitemap", poll_every_s=3600),
        Feed(url="https://sahil.example/أخبار", kind="section"),
    ),
)
PLAIN = Source(
    name="b", title="#B", home_page="https://b.example/", feeds=(Feed(url="https://b.example/r"),)
)
TEXT = """\
# Ours. Keep this line.
sources:
  - name: a  # why a
    title: A
    home_page: https://a.example/
    feeds:
      - url: https://a.example/rss

  # The second.
  - name: b
    title: B
    home_page: https://b.example/
    feeds:
      - url: https://b.example/r
# The end.
"""


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_comes_back_as_it_went(form: Format) -> None:
    """Every field survives, whatever letters are in it."""
    text = source_files.write([FULL, PLAIN], form)

    assert source_files.read(text, form, "x") == (FULL, PLAIN)


TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(
    lambda text: text == text.strip() and text.splitlines() == [text]
)


@settings(max_examples=100)
@given(title=TITLES, delay_s=st.floats(0, 3600), enabled=st.booleans())
def test_any_words_come_back(title: str, delay_s: float, *, enabled: bool) -> None:
    """Whatever a title says, and whatever the numbers are: the same comes back of each format."""
    source = FULL.model_copy(
        update={"title": title, "enabled": enabled, "crawl": CrawlPolicy(delay_s=delay_s)}
    )
    for form in FORMATS:
        assert source_files.read(source_files.write([source], form), form, "x") == (source,)


def test_the_sources_that_ship_come_back() -> None:
    """The file that ships goes through each format without loss."""
    shipped = sources.parse(Path("sources.yaml").read_text("utf-8"), "sources.yaml")

    for form in FORMATS:
        assert source_files.read(source_files.write(shipped, form), form, "x") == shipped


def test_opml_of_another_program_comes_in_disabled() -> None:
    """Feeds become sources by their home pages; nobody crawls what nobody looked at."""
    text = """<?xml version="1.0"?><opml version="1.0"><head><title>x</title></head><body>
      <outline text="News">
        <outline type="rss" text="A" xmlUrl="https://a.example/1" htmlUrl="https://www.a.example/"/>
        <outline type="rss" text="A2" xmlUrl="https://a.example/2" htmlUrl="https://a.example/x"/>
        <outline type="rss" title="ب" xmlUrl="https://b.example/rss" language="ar-SA"/>
      </outline></body></opml>"""

    a, b = source_files.read(text, "opml", "x.opml")

    assert (a.name, a.title, a.enabled) == ("a-example", "A", False)
    assert [feed.url for feed in a.feeds] == ["https://a.example/1", "https://a.example/2"]
    assert (b.name, b.title, b.language) == ("b-example", "ب", "ar")


def test_what_is_new_goes_to_the_end_and_the_rest_stays() -> None:
    """Comments and sources that are not named stay as they are, letter by letter."""
    merged = source_files.merge(TEXT, "s.yaml", [FULL])

    assert merged.startswith(TEXT)
    assert sources.parse(merged, "s.yaml")[2] == FULL


def test_what_has_changed_takes_its_place() -> None:
    """A source of a known name replaces its lines only; one that is the same changes nothing."""
    new = PLAIN.model_copy(update={"title": "B2", "enabled": False})
    merged = source_files.merge(TEXT, "s.yaml", [new])

    assert merged.startswith(TEXT[: TEXT.index("  - name: b")])
    assert merged.endswith("# The end.\n")
    assert sources.parse(merged, "s.yaml")[1] == new
    assert source_files.merge(merged, "s.yaml", [new]) == merged


def test_a_feed_that_is_there_is_not_added_again() -> None:
    """A source that brings only feeds the file has, under whatever name, brings nothing."""
    twin = PLAIN.model_copy(update={"name": "c"})

    assert source_files.merge(TEXT, "s.yaml", [twin]) == TEXT
    more = twin.model_copy(update={"feeds": (*twin.feeds, Feed(url="https://b.example/2"))})
    added = sources.parse(source_files.merge(TEXT, "s.yaml", [more]), "s.yaml")[2]
    assert [feed.url for feed in added.feeds] == ["https://b.example/2"]


def test_an_empty_list_takes_sources() -> None:
    """A new file may say that there are none yet."""
    merged = source_files.merge("sources: []\n", "s.yaml", [PLAIN])

    assert sources.parse(merged, "s.yaml") == (PLAIN,)


@pytest.mark.parametrize(
    ("form", "text", "told"),
    [
        ("opml", "<opml", "x: not OPML"),
        ("opml", "<opml><body/></opml>", "x: no source in it"),
        ("csv", "name,title\n", "x:1: these columns are missing: feed.url, home_page"),
        ("csv", "name,title,home_page,feed.url\na,A,ftp://a,https://a.example/", "x: a: home_page"),
        ("csv", "name,title,home_page,feed.url\n", "x: no source in it"),
    ],
)
def test_mistakes_are_told(form: Format, text: str, told: str) -> None:
    """What is wrong with a file is said, with its name."""
    with pytest.raises(InvalidSources) as raised:
        source_files.read(text, form, "x")

    assert str(raised.value).startswith(told)


@settings(max_examples=200)
@given(st.text(max_size=200), st.sampled_from(FORMATS))
def test_no_text_raises_anything_else(text: str, form: Format) -> None:
    """Whatever stands in a file, the answer is sources or InvalidSources."""
    with pytest.raises(InvalidSources):
        source_files.read(text, form, "x")

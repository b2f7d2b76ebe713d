import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.errors import InvalidSources
from services.shared.sources import parse

GOOD = """\
sources:
  - name: example
    title: Example
    home_page: https://example.com/
    time_zone: Asia/Riyadh
    feeds:
      - url: https://example.com/rss
"""


def problems(text: str) -> list[str]:
    """Return what is told of a text with mistakes."""
    with pytest.raises(InvalidSources) as raised:
        parse(text, "s.yaml")
    return str(raised.value).splitlines()


def test_defaults_are_polite() -> None:
    """What the file leaves out is polite: one request a second, robots.txt obeyed."""
    (source,) = parse(GOOD, "s.yaml")

    assert (source.crawl.delay_s, source.crawl.concurrency, source.crawl.obey_robots) == (
        1,
        1,
        True,
    )
    assert source.feeds[0].kind == "feed"
    assert source.enabled


def test_all_mistakes_are_told_at_once() -> None:
    """Each mistake is told with file, line and field, in the order of the file."""
    text = """\
sources:
  - nam: x
    title: 3
    home_page: ftp://example.com
    time_zone: KSA
    crawl:
      delay: 1
    feeds:
      - url: https://a.example/
        kind: rss
  - name: Big Name
    title: x
    home_page: https://x.example
    feeds: []
"""
    told = [re.sub(r", such as al-jazirah| \(got 'rss'\)", "", told) for told in problems(text)]
    assert told == [
        "s.yaml:2: sources[0].nam: there is no such field; did you mean name?",
        "s.yaml:2: sources[0].name: this field is missing",
        "s.yaml:3: sources[0].title: Input should be a valid string (got 3)",
        "s.yaml:4: sources[0].home_page: not an absolute http(s) address (got 'ftp://example.com')",
        "s.yaml:5: sources[0].time_zone: no such time zone; write it as in Asia/Riyadh (got 'KSA')",
        "s.yaml:7: sources[0].crawl.delay: there is no such field; did you mean delay_s?",
        "s.yaml:10: sources[0].feeds[0].kind: Input should be 'feed', 'sitemap' or 'section'",
        "s.yaml:11: sources[1].name: not valid; write small letters, digits and single hyphens",
        "s.yaml:14: sources[1].feeds: this list must not be empty",
    ]


def test_names_and_feeds_are_unique() -> None:
    """A second source or feed of the same name or address names the line of the first."""
    assert problems(GOOD + GOOD.removeprefix("sources:\n")) == [
        "s.yaml:8: sources[1].name: example is in line 2 already",
        "s.yaml:13: sources[1].feeds[0].url: https://example.com/rss is in line 7 already",
    ]


def test_a_field_written_twice_is_a_mistake() -> None:
    """YAML readers would silently keep the last; here both lines matter."""
    assert problems(GOOD + "    title: Other\n") == ["s.yaml:8: title: this field is there twice"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "s.yaml:1: empty: it must have a list named sources"),
        ("- a", "s.yaml:1: file: this must be a group of fields"),
        ("sources: 3", "s.yaml:1: sources: this must be a list"),
        ("sources:\n  - name: [", "s.yaml:2: not YAML: expected the node content"),
        ("sources: &all [*all]", "s.yaml:1: write it out: aliases"),
        ("sources: !!python/name:os.system", "s.yaml:1: not YAML: could not determine"),
    ],
)
def test_what_is_no_list_of_sources_is_told(text: str, told: str) -> None:
    """A file of another shape is refused in words, and no tag in it runs code."""
    assert problems(text)[0].startswith(told)


@given(st.text(max_size=200))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    """Whatever stands in the file, the answer is sources or InvalidSources."""
    with pytest.raises(InvalidSources, match=r"^s\.yaml:\d+: "):
        parse(text, "s.yaml")


def test_the_file_that_ships_is_valid_and_asks_nobody() -> None:
    """Every example in sources.yaml is valid, and none is crawled before someone enables it."""
    sources = parse(Path("sources.yaml").read_text("utf-8"), "sources.yaml")

    assert len(sources) >= 3
    assert not any(source.enabled for source in sources)


RULED = GOOD.replace("    feeds:", "    rules:\n{rules}    feeds:")


def test_rules_are_selectors_by_name() -> None:
    """A source's rules come out as they are carried to the worker: only those that are set."""
    (plain,) = parse(GOOD, "s.yaml")
    rules = "      body: div.story > p\n      remove: .advert, aside\n"
    (ruled,) = parse(RULED.format(rules=rules), "s.yaml")

    assert plain.rules.by_name() == {}
    assert ruled.rules.by_name() == {"body": "div.story > p", "remove": ".advert, aside"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("body: div[", "sources[0].rules.body: not a CSS selector: "),
        ("date: 'time::text'", "sources[0].rules.date: not a CSS selector: "),
        ("title: ''", "sources[0].rules.title: not a CSS selector: "),
        ("autor: .by", "sources[0].rules.autor: there is no such field; did you mean author?"),
    ],
)
def test_a_mistake_in_a_rule_is_told(rule: str, told: str) -> None:
    """A selector that cannot be read is refused with its line, before anything is crawled."""
    (problem,) = problems(RULED.format(rules=f"      {rule}\n"))

    assert problem.startswith(f"s.yaml:7: {told}")

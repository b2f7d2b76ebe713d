"""Promises of services.shared.urls."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared import urls
from services.shared.errors import InvalidUrl

STORY = "https://www.example.com/news/2024/05/story-title"
ARCHIVE = "https://www.enabbaladi.net/archives/"
ALLIANCE = "%D8%A7%D9%84%D8%AA%D8%AD%D8%A7%D9%84%D9%81"

SAME = [
    (STORY, STORY + "?utm_source=twitter&utm_medium=social"),
    ("https://ex.com/n?id=7", "https://ex.com/n?utm_campaign=x&id=7&utm_term=y"),
    (STORY, STORY + "?fbclid=IwAR0abc"),
    (STORY, STORY + "?gclid=EAIa"),
    (STORY, STORY + "?igshid=abc"),
    (STORY, STORY + "?at_medium=RSS&at_campaign=KARANGA"),
    (STORY, STORY + "?ns_mchannel=social&ocid=wsnews.chat"),
    (STORY, STORY + "?xtor=RSS-1"),
    (STORY, STORY + "?smid=tw-share"),
    ("https://ex.com/n?id=7", "https://ex.com/n?id=7&amp;utm_source=rss"),
    (STORY, STORY + "?ref=twitter"),
    ("https://ex.com/n?id=7", "https://ex.com/n?id=7&PHPSESSID=0123456789abcdef0123"),
    ("https://ex.com/n.do?id=7", "https://ex.com/n.do;jsessionid=AB12CD?id=7"),
    (STORY, STORY + "/amp/"),
    (STORY + ".html", STORY + ".amp.html"),
    (STORY, STORY + "?amp=1"),
    (STORY, STORY + "?outputType=amp"),
    (STORY, "https://amp.example.com/news/2024/05/story-title"),
    (STORY, "https://www.google.com/amp/s/www.example.com/news/2024/05/story-title"),
    (
        STORY,
        "https://www-example-com.cdn.ampproject.org/c/s/www.example.com/news/2024/05/story-title",
    ),
    (
        STORY,
        (
            "https://www.google.com/url?sa=t&url=https%3A%2F%2Fwww.example.com%2Fnews%2F2024%2F05"
            "%2Fstory-title&usg=AO"
        ),
    ),
    (
        STORY,
        (
            "https://l.facebook.com/l.php?u=https%3A%2F%2Fwww.example.com%2Fnews%2F2024%2F05"
            "%2Fstory-title&h=AT0"
        ),
    ),
    (STORY, "https://web.archive.org/web/20240501000000/" + STORY),
    (STORY, "https://m.example.com/news/2024/05/story-title"),
    (STORY, "https://example.com/news/2024/05/story-title"),
    (STORY, STORY.replace("https", "http")),
    (STORY, STORY + "/"),
    ("https://ex.com/a/b/", "https://ex.com/a/b/index.html"),
    ("https://ex.com/a/b/", "https://ex.com/a/b/index.php"),
    (STORY, STORY + "#comments"),
    (STORY, STORY + "#:~:text=foo"),
    (STORY, STORY.replace("www.example", "WWW.Example")),
    (STORY, STORY.replace(".com/", ".com:443/")),
    (STORY, STORY.replace(".com/", ".com./")),
    (STORY, "https://www.example.com/news/x/../2024/./05/story-title"),
    (STORY, STORY.replace("/news/", "//news/")),
    (ARCHIVE + ALLIANCE, ARCHIVE + ALLIANCE.lower()),
    (ARCHIVE + ALLIANCE, ARCHIVE + "التحالف"),
    ("https://ex.com/~a/b-c", "https://ex.com/%7Ea/b%2Dc"),
    ("https://xn--mgbh0fb.xn--kgbechtv/a", "https://مثال.إختبار/a"),
    ("https://ex.com/n?id=7&p=2", "https://ex.com/n?p=2&id=7"),
    (STORY, STORY + "?"),
    (STORY, STORY + "\u200b"),
    (STORY, STORY.replace(".com/", ".com\\")),
    # Further ones, met later.
    (STORY, STORY + "?wbraid=Cj0&gad_source=1"),
    (STORY, STORY + "?traffic_source=rss"),
    ("https://site.com/east/1-title", "https://www.site.com/amp/east/1-title"),
    ("https://site.com/articles/c1", "https://site.com/articles/c1.amp"),
    ("https://ex.com/n/1", "https://ex.com/n/1?print=1"),
    ("https://site.com/p/", "https://site.com/p/?share=telegram"),
    ("https://site.com/p/", "https://site.com/p/?replytocom=33"),
    ("https://site.com/p/?id=2", "https://site.com/p/?id=2&amp;utm_source=a&amp;utm_medium=b"),
    ("https://site.com/p", "http://site.com:80/p"),
    ("https://site.com/caf%C3%A9", "https://site.com/cafe%CC%81"),
    (
        "https://site.com/p",
        "https://www.bing.com/news/apiclick.aspx?url=https%3a%2f%2fsite.com%2fp",
    ),
    ("https://site.com/p", "https://site.com/p?_hsenc=p2A&_hsmi=1"),
    ("https://site.com/p", "https://site.com/p?comment-sort=new"),
    ("https://site.ir/اصلاح‌طلب", "https://site.ir/اصلاحطلب"),
    ("https://site.com/p", "https://reader:secret@site.com/p"),
    # Aliases of hosts.
    (
        "https://www.cnn.com/2024/05/01/w/x/index.html",
        "https://edition.cnn.com/2024/05/01/w/x/index.html",
    ),
    ("https://arabic.cnn.com/a/2024/x", "https://ar.cnn.com/a/2024/x"),
    ("https://arabic.cnn.com/a/2024/x", "http://www.ar.cnn.com/a/2024/x/"),
]

DIFFERENT = [
    ("https://ex.com/?p=123", "https://ex.com/?p=124"),
    ("https://ex.com/?p=123", "https://ex.com/"),
    ("https://ex.com/article.aspx?id=5", "https://ex.com/article.aspx?id=6"),
    ("https://ex.com/story.php?sid=1234", "https://ex.com/story.php?sid=1235"),
    ("https://ex.com/news.php?cid=11", "https://ex.com/news.php?cid=12"),
    ("https://ex.com/v?source=4411", "https://ex.com/v?source=4412"),
    ("https://ex.com/3kAbC", "https://ex.com/3kaBc"),
    ("https://ex.com/watch?v=aBc", "https://ex.com/watch?v=abC"),
    ("https://ex.com/list?page=1", "https://ex.com/list?page=2"),
    ("https://arabic.ex.com/news/1", "https://ex.com/news/1"),
    ("https://news.ex.com/1", "https://ex.com/1"),
    ("https://ex.com/n?id=1&lang=ar", "https://ex.com/n?id=1&lang=en"),
    (ARCHIVE + "التحالف", ARCHIVE + "التحالفات"),
    ("https://ex.com/#!/news/1", "https://ex.com/#!/news/2"),
    ("https://ex.com/a%2Fb", "https://ex.com/a/b"),
    ("https://ex.com/s?q=a%2Bb", "https://ex.com/s?q=a+b"),
    ("https://ex.com/n?a=1&a=2", "https://ex.com/n?a=1&a=3"),
    ("https://ex.com/n?_id=1", "https://ex.com/n?_id=2"),
    # Further ones, met later.
    ("https://ex.com/?storyid=1", "https://ex.com/?storyid=2"),
    ("https://ex.com/amp", "https://ex.com/"),
    ("https://ex.com/topics/amp", "https://ex.com/topics"),
    ("https://ex.com/news/amplifier", "https://ex.com/news/lifier"),
    ("https://ex.com/n?from=20240101", "https://ex.com/n?from=20240102"),
    ("https://ex.com/n?ref=771", "https://ex.com/n?ref=772"),
    ("https://m.com/a", "https://com/a"),
    ("https://ex.com/v?feature=8812", "https://ex.com/v?feature=8813"),
    ("https://ex.com/v?partner=8812", "https://ex.com/v?partner=8813"),
    ("https://ex.com/?rss=12", "https://ex.com/?rss=13"),
    ("https://ex.com/index.php?id=1", "https://ex.com/index.php?id=2"),
    ("https://ex.com/?ID=aB", "https://ex.com/?ID=Ab"),
    ("https://mobile.gov.sa/a", "https://gov.sa/a"),
    ("https://ex.com:8080/a", "https://ex.com/a"),
    # Editions with texts of their own.
    ("https://arabic.rt.com/news/1", "https://rt.com/news/1"),
    ("https://arabic.cnn.com/a/1", "https://cnn.com/a/1"),
    ("https://edition.cnn.com/a/1", "https://ar.cnn.com/a/1"),
    ("https://www.aljazeera.net/news/1", "https://www.aljazeera.com/news/1"),
    ("https://www.edition.cnn.com.example.org/a", "https://cnn.com/a"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_address_share_a_key(one: str, other: str) -> None:
    """Tracking, wrappers, AMP, escapes and host variants do not make a second article."""
    assert urls.key(one) == urls.key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_pages_have_two_keys(one: str, other: str) -> None:
    """Whatever names another page on the server keeps it apart."""
    assert urls.key(one) != urls.key(other)


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        (STORY + "/?utm_source=x&b=2&a=1#top", STORY + "/?b=2&a=1"),
        (
            "https://site.ir/اصلاح‌طلب",
            "https://site.ir/%D8%A7%D8%B5%D9%84%D8%A7%D8%AD%E2%80%8C%D8%B7%D9%84%D8%A8",
        ),
        ("https://ex.com/n?a=1;b=2", "https://ex.com/n?a=1;b=2"),
        ("HTTP://M.Example.com/Amp/", "http://m.example.com/Amp/"),
        ("https://ex.com/100%", "https://ex.com/100%"),
    ],
)
def test_clean_keeps_what_the_server_may_need(url: str, cleaned: str) -> None:
    """The address to fetch keeps scheme, host, case, order of parameters and ZWNJ."""
    assert urls.clean(url) == cleaned


@pytest.mark.parametrize(
    "url",
    [
        "",
        "news/story",
        "mailto:a@b.c",
        "javascript:alert(1)",
        "https://",
        "http://./",
        "ftp://a.b/c",
        "http://a b.c/",
        "http://�.com/",
        "http://[::1",
        "urn:sha256:00",
        "https://ex.com:99999/",
        f"https://{'a' * 300}.com/",
    ],
)
def test_what_is_no_http_address_raises_invalid_url(url: str) -> None:
    """Nothing but InvalidUrl comes out of bad input, from each function."""
    for function in (urls.clean, urls.key, urls.host, urls.site):
        with pytest.raises(InvalidUrl):
            function(url)


def test_a_key_fits_a_btree_index() -> None:
    """Addresses of any length have keys of bounded length that still tell them apart."""
    one, other = ("https://ex.com/" + "ا" * 9000 + end for end in ("1", "2"))
    assert max(len(urls.key(one)), len(urls.key(other))) <= urls.MAX_KEY_LENGTH
    assert urls.key(one) != urls.key(other)


def test_host_and_site() -> None:
    """The host is what politeness is about, the site what one publisher owns."""
    assert urls.host("https://WWW.BBC.co.uk.:443/a") == "www.bbc.co.uk"
    assert urls.site("https://WWW.BBC.co.uk/a") == "bbc.co.uk"
    assert urls.site("http://127.0.0.1:8000/a") == "127.0.0.1"
    assert urls.site("http://localhost/a") == "localhost"


def test_aliases_of_hosts_are_well_formed() -> None:
    """Each line of the data file is one that can be met, and leads to a host at once."""
    aliases = urls.host_aliases()
    assert aliases
    for alias, host in aliases.items():
        for name in (alias, host):
            assert urls.host(f"https://{name}/") == name, name
            assert urls._front_off(name) == name, f"{name}: without www. and the like"
        assert host not in aliases, f"{host}: stands on both sides"


def test_an_alias_is_fetched_as_it_is() -> None:
    """Only the key knows aliases: the address to show and fetch keeps its host."""
    assert urls.clean("https://edition.cnn.com/a") == "https://edition.cnn.com/a"


def test_no_network_and_no_cache_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of public suffixes is the bundled one."""

    def refuse(*_: object) -> None:
        raise AssertionError("tried to open a socket")

    urls._suffixes.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    assert urls.site("https://a.example.co.uk/") == "example.co.uk"


FRAGMENTS = st.sampled_from(
    [
        "&amp;",
        "amp;",
        "%",
        "%2",
        "%25",
        "%61",
        "%2E",
        "..",
        "./",
        "/",
        "//",
        "?",
        "&",
        "=",
        ";sid=1",
        "http://",
        "https://ex.com",
        "www.",
        "m.",
        "/amp",
        ".amp",
        "\u200b",
        "\u200c",
        "é",
        "é",
        "/url?q=",
        "https://www.google.com",
        "web.archive.org/web/2024/",
        "%E2%80%8B",
        "#!",
        "#",
        " ",
        "utm_source=a",
        "ref=fb",
        "index.html",
        "ا",
        "%D8%A7",
        "%d8",
        ":80",
        "@",
        "\\",
        "�",
        "\x00",
    ]
)


@settings(max_examples=400)
@given(
    st.sampled_from(["", "https://ex.com/", "http://"]), st.lists(FRAGMENTS | st.text(max_size=4))
)
def test_clean_is_idempotent_and_total(start: str, parts: list[str]) -> None:
    """Any string is either cleaned for good, with the key unchanged, or raises InvalidUrl."""
    url = start + "".join(parts)
    try:
        cleaned = urls.clean(url)
    except InvalidUrl:
        return
    assert urls.clean(cleaned) == cleaned
    assert urls.key(cleaned) == urls.key(url)
    assert urls.key(url).isascii()
    assert urls.host(cleaned) == urls.host(cleaned).lower()

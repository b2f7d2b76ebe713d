"""What the crawler and the store tell each other: feeds and links due, and what became of them.

All times are aware; when something is due the store says, by its own clock: it is told how many
seconds to wait. The reasons are closed sets; `http_404` and its like carry the status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

FeedKind = Literal[
    "feed",  # RSS, Atom, JSON Feed
    "sitemap",  # also news sitemap, index, list of addresses
    "section",  # a web page that links to articles
]

LinkState = Literal[
    "due",  # known, to be fetched when its time comes
    "fetching",  # handed to the crawler that holds the host's lease
    "fetched",  # published to the queue; the worker's decision stands by `page_id`
    "failed",  # the server did not give the page, and it is not asked again
    "refused",  # we do not fetch it
]

LinkReason = Literal[
    # refused
    "robots_denied",  # robots.txt forbids it
    "too_large",  # more bytes than `max_body_bytes`
    "too_old",  # the feed states a date older than the source's `max_age_days`
    "purged",  # removed on request, and never to come again
    "address_not_public",  # the host's address is private, loopback or reserved
    # failed, some of them only after several tries
    "broken_body",  # its compression is damaged, or none that we know
    "connection_failed",
    "connection_refused",
    "crawler_died",  # the crawler was killed each time it tried
    "dns",
    "error",  # our own code raised
    "invalid_redirect",  # to what is no address
    "redirected_home",  # to the home page: the article is gone
    "timeout",
    "tls",
    "too_many_redirects",
    "truncated_body",
    "unsupported_scheme",  # a redirect away from http(s)
]

#: What can be odd in a feed's answer; each is counted.
Problem = Literal[
    "empty",  # no bytes, or white space only
    "html_instead",  # a web page where the feed should be
    "wrong_charset",  # in another one than it declares, and read in that
    "malformed",  # not well-formed; what could be read was taken
    "no_links",  # read, but nothing in it is listed
    "item_without_link",
    "item_without_date",
    "invalid_link",  # not an http(s) address
    "invalid_date",  # what stands for a date is none; the link is kept without it
    "incomplete_date",  # a date without time, or without zone where the source has none either
    "future_date",  # more than a day ahead; kept as the feed says
    "old_item",  # an item of a feed that is dated more than a year ago
    "reused_guid",  # an item's id stands, or stood, at another address
    "changed_guid",  # an address that the feed listed before has another id now
    "untrue_304",  # its server would have said that nothing changed, and there was something new
    "overflow",  # no item was there at the poll before: some may have come and gone in between
    "too_large",  # more links, or more unpacked bytes, than we read
    "too_deep",  # an index inside an index inside an index
    "unknown_format",  # neither feed nor sitemap
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLink:
    """One entry of a feed or sitemap: a clean absolute address and what the entry says of it."""

    url: str
    title: str | None = None
    published_at: datetime | None = None
    modified_at: datetime | None = None
    #: The item's id as the feed wrote it, where that is not the address.
    guid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSitemap:
    """One entry of a sitemap index."""

    url: str
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a feed lists, in its order; how often each problem was met; what it is called."""

    links: tuple[ListedLink, ...] = ()
    children: tuple[ListedSitemap, ...] = ()
    problems: Mapping[Problem, int] = field(default_factory=dict)
    title: str | None = None
    language: str | None = None
    #: Of a section page: the keys of all its links within the site, articles or not.
    page_keys: frozenset[str] = frozenset()
    #: For how long it may be kept (ttl), and how often it changes (sy:updatePeriod), as it says.
    ttl_s: float | None = None
    every_s: float | None = None

    @property
    def newest_at(self) -> datetime | None:
        """Return the latest time that an item states."""
        stated = (link.published_at or link.modified_at for link in self.links)
        return max((time for time in stated if time), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFeed:
    """A feed to be polled now. `etag` and `last_modified` are as the server wrote them.

    `poll_every_s` is None where the interval adapts; what it adapts to are the other times.
    """

    id: int
    url: str
    host: str
    kind: FeedKind
    source: str
    #: When it was handed out, by the store's clock.
    taken_at: datetime
    poll_every_s: float | None
    etag: str | None
    last_modified: str | None
    errors_count: int
    depth: int
    #: When new items appeared, ascending.
    item_times: Sequence[datetime] = ()
    #: The last poll that told what is listed, and the last that gave it whole.
    listed_at: datetime | None = None
    full_at: datetime | None = None
    most_wait_s: float | None = None
    ttl_s: float | None = None
    every_s: float | None = None
    distrusted_until: datetime | None = None
    #: Set where it is read for a backfill: the links of which days are wanted, or only counted.
    #: Without a job, `since` is from when on another feed may have missed something.
    job_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLink:
    """A link to be fetched now; `attempts_count` includes this time. `source` may be empty.

    `etag` and `last_modified` are as the server wrote them.
    """

    id: int
    url: str
    host: str
    source: str
    #: When it was handed out, by the store's clock.
    taken_at: datetime
    feed_url: str | None
    title: str | None
    published_at: datetime | None
    attempts_count: int
    etag: str | None = None
    last_modified: str | None = None
    #: Whether its page was fetched before, how often again as its schedule has it, and what the
    #: last time gave.
    is_refetch: bool = False
    refetches_count: int = 0
    refetch_outcome: str | None = None
    #: Set where a job asks for it: its page is no news.
    job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPoll:
    """What a poll of a feed gave.

    `outcome` is `listed`, `unchanged` (304), `unreadable` (no link read, see `detail`) or
    a link reason (`http_500`, `timeout` ...).
    """

    feed_id: int
    outcome: str
    status: int | None
    detail: str | None
    failed: bool
    #: Until the next one; None until it is known what was new.
    wait_s: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    links_count: int | None = None
    #: What was odd, and the latest time an item stated; None where nothing was read.
    problems: Mapping[Problem, int] | None = None
    newest_item_at: datetime | None = None
    #: What the next polls adapt to: as in DueFeed; None of a poll that failed.
    item_times: Sequence[datetime] | None = None
    most_wait_s: float | None = None
    ttl_s: float | None = None
    every_s: float | None = None
    #: For how long its server's 304 is not believed; None where it did not fail us.
    distrust_s: float | None = None
    #: From when on it is silent for so long that somebody should look.
    silent_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOutcome:
    """What became of a link: `due` again in `wait_s`, or one of the last states.

    A link that was fetched again stays `fetched` unless its page is gone for good; what that time
    gave is `refetch_outcome`: `fetched`, `unchanged` (304), or a reason. In `refetch_wait_s` it
    is fetched again, never if that is None.
    """

    link_id: int
    state: LinkState
    reason: str | None = None
    status: int | None = None
    final_url: str | None = None
    page_id: str | None = None
    wait_s: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    is_refetch: bool = False
    refetch_outcome: str | None = None
    refetch_wait_s: float | None = None


JobKind = Literal[
    "backfill",  # what a source's sitemaps and archives list, of some days
    "fetch",  # a list of addresses
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that somebody asked for; `position` is how many lines of its list are links."""

    id: int
    kind: JobKind
    input: str
    source: str | None
    since: datetime | None
    until: datetime | None
    is_dry_run: bool
    position: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is. `listed_count` has repeated entries too, and links known before."""

    sitemaps_count: int
    sitemaps_failed_count: int
    sitemaps_left: int
    listed_count: int
    undated_count: int
    new_count: int
    invalid_count: int
    links_count: int
    fetched_count: int
    left_count: int
    #: A host of it wants no requests until then.
    blocked_until: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left of what is known to belong to it."""
        return not self.sitemaps_left and not self.left_count

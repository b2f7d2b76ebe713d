"""The record of each stage: RawPage -> Extraction | Rejection -> Article -> Decision.

All records are frozen and keyword-only and hold no connection. Times are aware datetimes. What a
page does not state (its date, its address, its authors) is None or empty, never a guess.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

#: Stored with each article version; count up when the same page gives another extraction.
EXTRACTOR_VERSION = 1

Lane = Literal["live", "bulk", "replay"]
LANES: tuple[Lane, ...] = get_args(Lane)

RejectionReason = Literal[
    "block_page",  # captcha, "enable JavaScript", access denied
    "consent_page",  # a cookie wall in place of the article
    "empty_body",  # no bytes, or white space only
    "http_error",  # the server answered with a status of 400 or more
    "no_text",  # HTML, but nothing in it reads as text
    "not_article",  # a home, section, tag, search or gallery page
    "paywall",  # only the teaser of a paid article
    "purged",  # removed on request, and never to come again
    "soft_404",  # "not found" with status 200
    "too_large",  # more bytes than `max_body_bytes`
    "too_short",  # too little text to be an article
    "unsupported_type",  # not HTML or text: an image, PDF, archive, program
]
REJECTION_REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)

DeadLetterReason = Literal[
    "body_missing",  # the queue knew the page, but its body was gone
    "error",  # the worker's code raised; the traceback tells
    "invalid_message",  # the stored raw page could not be decoded
    "memory_limit",  # the page needed more memory than `page_memory_limit_mb`
    "not_storable",  # Postgres refused the row for what it contains
    "time_limit",  # the page took longer than `page_time_limit_s`
    "worker_lost",  # the worker process died or hung each time it tried
]
DEAD_LETTER_REASONS: tuple[DeadLetterReason, ...] = get_args(DeadLetterReason)

DecisionStatus = Literal[
    "created",  # a new article
    "duplicate",  # a new article row whose text another article had first
    "updated",  # the article has a new version
    "unchanged",  # stored already, with this very content; or it failed now and has its result
    "outdated",  # the stored article is of a later page, or of a newer reading of this one
    "worse",  # a teaser, a cut copy or one that says less: the stored article stays as it is
    "rejected",  # counted with its reason
    "dead_letter",  # failed for good; kept with its body, to be replayed
]
DECISION_STATUSES: tuple[DecisionStatus, ...] = get_args(DecisionStatus)

ChangeKind = Literal[
    "created",  # a new article
    "updated",  # the article has a new version
    "duplicate_changed",  # what `duplicate_of` says of the article, without a new version
    "withdrawn",  # its page is gone; the text stays
    "restored",  # its page is there again
    "story_changed",  # the article's place in a story
    "watch_matched",  # a watch has found the article
    "purged",  # removed on request: consumers delete their copy
]
CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)

VersionReason = Literal[
    "first",  # the article was not there before
    "publisher",  # the page has changed
    "extractor",  # the same bytes, read by another version of the extractor
    "context",  # the same bytes, read with other rules or with another feed's word
    "undetermined",  # bytes and extractor both differ
]
VERSION_REASONS: tuple[VersionReason, ...] = get_args(VersionReason)

WithdrawnReason = Literal[
    "not_found",  # the page answers 404
    "gone",  # the page answers 410
    "retracted",  # by hand: the publisher has taken it back
    "legal",  # by hand: an order, or a right
    "mistake",  # by hand: it should not have been stored
]
WITHDRAWN_REASONS: tuple[WithdrawnReason, ...] = get_args(WithdrawnReason)

Label = Literal[
    "live_blog",  # goes on being written while something happens
    "opinion",  # says what its author thinks
    "paywall",  # the page may hold only a part of it
    "sponsored",  # somebody paid for it to appear
]

StoryLabel = Literal[
    "original",  # the earliest article of its story
    "reprint",  # another outlet's copy, or the same text again
    "cut",  # a copy of less than 0.8 of the original's length
    "extended",  # a copy of more than 1.25 of the original's length
    "update",  # of an outlet that had the story before
]
STORY_LABELS: tuple[StoryLabel, ...] = get_args(StoryLabel)

Relation = Literal[
    "same_story",  # one is a copy of the other
    "excerpt",  # one is a copy of a part of the other, below 0.3 of its length
    "template",  # one frame filled with other numbers: yesterday's and today's prices
    "overlap",  # share text, but are not copies
]
RELATIONS: tuple[Relation, ...] = get_args(Relation)

Precision = Literal["second", "minute", "day", "month", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPage:
    """A page as received, before anything is read from it.

    `origin` says where it came from in words a person can follow: the feed's address or the
    imported file (`seeds/000.txt`, `pages.warc.gz#12` for the 12th record).
    """

    body: bytes
    origin: str
    requested_url: str | None = None
    final_url: str | None = None
    fetched_at: datetime | None = None
    status: int | None = None
    #: Lower-case names; only those that matter to extraction (content-type, content-language ...).
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Name of the source in `sources.yaml`.
    source: str | None = None
    #: The source's time zone (`Asia/Riyadh`), for times on the page that name none.
    time_zone: str | None = None
    #: The source's rules: a CSS selector each for some of body, title, author, date, remove.
    rules: Mapping[str, str] = field(default_factory=dict)
    feed_url: str | None = None
    #: What the feed said of this link: the last witness for these fields.
    feed_title: str | None = None
    feed_published_at: datetime | None = None
    #: When Rasid first had it, told by an archive of pages whose time of fetching is not known: it
    #: orders captures of one address, and says nothing of the article.
    received_at: datetime | None = None

    @property
    def url(self) -> str | None:
        """Return the address after redirects, or the one asked for."""
        return self.final_url or self.requested_url

    @property
    def capture_sha256(self) -> bytes:
        """Return the 32-byte address of the body in the captures."""
        return hashlib.sha256(self.body).digest()

    @property
    def id(self) -> str:
        """Return 32 hex digits, the same for the same bytes under the same addresses."""
        parts = (self.requested_url or "", self.final_url or "", self.capture_sha256.hex())
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A reader's comment, kept apart from the article's text; age as written ("منذ 8 أشهر")."""

    text: str
    author: str | None = None
    age: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What the extractor read from a capture.

    `text` holds paragraphs separated by one empty line, headings marked with `## `.
    `witnesses` names for each filled field (a label as `labels.opinion`) what it was taken from:
    json_ld, meta, microdata, visible, text, feed, url, detected, rule.
    """

    title: str | None
    text: str
    authors: tuple[str, ...] = ()
    language: str | None = None  # BCP 47 primary subtag, such as "ar"
    published_at: datetime | None = None
    published_at_precision: Precision | None = None
    published_at_seen: str | None = None  # the date as written, also where it names no instant
    modified_at: datetime | None = None
    canonical_url: str | None = None
    site_name: str | None = None
    section: str | None = None
    dateline: str | None = None
    description: str | None = None
    image_url: str | None = None
    tags: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    captions: tuple[str, ...] = ()
    comments_count: int | None = None  # as the page states it; `comments` may hold fewer
    comments: tuple[Comment, ...] = ()
    witnesses: Mapping[str, str] = field(default_factory=dict)
    #: Which of the source's rules selected nothing; None where it has no rules.
    rules_missed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A normal, counted refusal. `detail` is for a person: what was seen."""

    reason: RejectionReason
    detail: str = ""
    #: As in Extraction.
    rules_missed: tuple[str, ...] | None = None


#: How many bands a fingerprint has: texts that share one are candidates for one story.
BANDS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What near-duplicates share. Compared only with fingerprints of the same version."""

    version: int
    tokens_count: int
    #: BANDS numbers of 32 bits with sign, or none where the text is too short to have a reprint.
    bands: tuple[int, ...] = ()
    #: One byte for each of 64 minima; two texts share about as many as they share words in a row.
    sketch: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stretch of one version of an article's text: characters from 0, the end not included."""

    article_id: int
    version: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SearchWords:
    """The words an article is found by, in order, as Postgres' parser would find them."""

    title: Sequence[str]
    text: Sequence[str]

    def distinct(self) -> set[str]:
        """Return each word once."""
        return {*self.title, *self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An extraction made fit to store: strings Postgres can hold, addresses and keys settled."""

    extraction: Extraction
    #: Address to show and fetch; `urn:sha256:...` for a document that has none.
    url: str
    #: Identity of the article (`urls.key`), unique in the store.
    normalized_url: str
    #: 32 bytes: hash of the normalised tokens of the text; equal for exact duplicates.
    text_sha256: bytes
    #: Of the same tokens: finds near-duplicates.
    fingerprint: Fingerprint
    #: 64 bits with sign each: hashes by which passages that others carry too are found.
    passages: tuple[int, ...] = ()
    #: Of title and text; None where Postgres has to find them.
    search_words: SearchWords | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An article that may be in one story with another, and what is known of its own story."""

    article_id: int
    story_id: int
    tokens_count: int
    sketch: bytes
    longest_id: int
    longest_tokens_count: int
    #: In the story of the other already: to be compared however little is shared.
    certain: bool
    #: The versions of both, whose texts are compared.
    version: int
    longest_version: int
    #: Which of both have a new text, and so may be about to leave the story.
    changed_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What two articles share, as in media.article_overlaps; the first id is the smaller."""

    article_id: int
    other_article_id: int
    relation: Relation
    containment: float
    jaccard: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Why a raw page failed for good."""

    reason: DeadLetterReason
    detail: str = ""
    traceback: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a raw page in the store."""

    page_id: str
    status: DecisionStatus
    article_id: int | None = None
    duplicate_of: int | None = None
    #: For a person: why, where the status alone does not tell.
    detail: str | None = None
    #: What it was before, where a stored page was read again.
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has become of an article, for the change feed.

    `version` is the article's after the event. `detail` is JSON, small, and documented by kind in
    docs/consumers.md.
    """

    kind: ChangeKind
    article_id: int
    version: int | None = None
    story_id: int | None = None
    detail: Mapping[str, object] | None = None


Result = Article | Rejection | DeadLetter

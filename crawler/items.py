"""What a spider hands on: one record for each end that a piece of work can have."""

from dataclasses import dataclass, field

from services.shared.contracts import RawPage
from services.shared.frontier import DueFeed, DueLink, FeedPoll, LinkOutcome, Listing

Work = DueFeed | DueLink


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPolled:
    """A feed answered, or did not; what it lists is to be stored."""

    work: DueFeed
    poll: FeedPoll
    listing: Listing = field(default_factory=Listing, repr=False)
    #: For how long the server says that its answer may be kept.
    fresh_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFetched:
    """A link gave a page, to be published."""

    work: DueLink
    page: RawPage = field(repr=False)
    #: What is written down once it is on the queue.
    outcome: LinkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEnded:
    """A link gave no page, for now or for good."""

    work: DueLink
    outcome: LinkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """A host wants no requests now: the work is as if it had not been taken.

    `again_s`: when it may be taken again, where that is not the work's own host.
    """

    work: Work
    again_s: float = 0.0
    #: The work is another crawler's by now.
    is_lost: bool = False


Item = FeedPolled | PageFetched | LinkEnded | NotAsked

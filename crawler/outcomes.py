"""What went wrong with a request goes in; its reason, and whether it may pass, come out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from OpenSSL.SSL import Error as TlsError
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)
from scrapy.spidermiddlewares.httperror import HttpError
from service_identity.exceptions import VerificationError

from crawler.addresses import AddressNotPublic
from crawler.bodies import BrokenBody, TooLarge
from crawler.politeness import PASSING_STATUSES, link_wait_s, retry_after_s
from crawler.polling import error_wait_s
from services.shared.errors import InvalidUrl
from services.shared.frontier import DueFeed, DueLink, FeedPoll, LinkOutcome, LinkReason, LinkState


class RobotsDenied(IgnoreRequest):
    """robots.txt forbids the request; raised by the Robots middleware."""


class HostBlocked(IgnoreRequest):
    """A host is not to be asked now, for `again_s` seconds; raised before asking."""

    def __init__(self, host: str, *, again_s: float = 0.0) -> None:
        """Name the host, which may not be the one that the work is for."""
        super().__init__(host)
        self.host = host
        self.again_s = again_s


class LeaseLost(HostBlocked):
    """The host of the work is another crawler's by now, and so is the work."""


class RobotsUnreachable(IgnoreRequest):
    """There is no answer for robots.txt, so nothing may be asked for."""

    def __init__(self, host: str, failure: "Failure") -> None:
        """Say why there is none."""
        super().__init__(failure.reason)
        self.host = host
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no page. `again`: it may pass. `refused`: it is us who do not want it."""

    reason: str
    again: bool = False
    refused: bool = False
    status: int | None = None
    #: For a person: what was seen.
    detail: str | None = None
    #: When the server wants to be asked again.
    retry_after_s: float | None = None


def failure_of(error: Exception) -> Failure:
    """Return what an exception from Scrapy means for a request."""
    if isinstance(error, HttpError):
        status = error.response.status
        return Failure(
            reason=f"http_{status}",
            again=status in PASSING_STATUSES,
            status=status,
            retry_after_s=retry_after_s(error.response, datetime.now(UTC)),
        )
    if isinstance(error, BrokenBody):
        return _passing("truncated_body" if error.is_cut else "broken_body")
    if isinstance(error, IgnoreRequest):
        return _ignored(error)
    if isinstance(error, DownloadFailedError) and (told := _of_tls(error)):
        return Failure(reason="tls", again=True, detail=told)
    return next((found for kind, found in KNOWN if isinstance(error, kind)), UNKNOWN)


def _of_tls(error: DownloadFailedError) -> str | None:
    """Return what was wrong with a secure connection, or None if it was not that."""
    causes = [failure.value for failure in getattr(error.__cause__, "reasons", [])]
    if any(isinstance(cause, VerificationError) for cause in causes):
        return "the certificate is another host's"
    if not any(isinstance(cause, TlsError) for cause in causes):
        return None
    if "certificate verify failed" in str(causes):
        return "the certificate has expired, or nobody we trust vouches for it"
    return "no secure connection"


def _ignored(error: IgnoreRequest) -> Failure:
    if isinstance(error, RobotsDenied):
        return _refused("robots_denied")
    if isinstance(error, RobotsUnreachable):
        return error.failure
    # Scrapy tells these two apart by their words only.
    if isinstance(error, TooLarge) or "DOWNLOAD_MAXSIZE" in str(error):
        return _refused("too_large")
    if "redirect" in str(error):
        return _final("too_many_redirects")
    return _final("error")


def _refused(reason: LinkReason) -> Failure:
    return Failure(reason=reason, refused=True)


def _passing(reason: LinkReason) -> Failure:
    return Failure(reason=reason, again=True)


def _final(reason: LinkReason) -> Failure:
    return Failure(reason=reason)


#: Exceptions, and what they mean. Scrapy cancels a download at DOWNLOAD_MAXSIZE only.
KNOWN: tuple[tuple[type[Exception], Failure], ...] = (
    (DownloadCancelledError, _refused("too_large")),
    (UnsupportedURLSchemeError, _final("unsupported_scheme")),
    (InvalidUrl, _final("invalid_redirect")),
    (AddressNotPublic, _refused("address_not_public")),
    (CannotResolveHostError, _passing("dns")),
    (DownloadTimeoutError, _passing("timeout")),
    (DownloadConnectionRefusedError, _passing("connection_refused")),
    (ResponseDataLossError, _passing("truncated_body")),
    (DownloadFailedError, _passing("connection_failed")),
)
UNKNOWN = _passing("error")


def failed_link(work: DueLink, failure: Failure) -> LinkOutcome:
    """Return the outcome of a link without a page: asked again later, refused or given up."""
    wait_s = link_wait_s(work.attempts_count) if failure.again else None
    last: LinkState = "refused" if failure.refused else "failed"
    return LinkOutcome(
        link_id=work.id,
        state="due" if wait_s else last,
        reason=failure.reason,
        status=failure.status,
        wait_s=wait_s,
    )


def failed_feed(work: DueFeed, failure: Failure) -> FeedPoll:
    """Return the outcome of a feed that gave nothing to read; it is polled again, but later."""
    return FeedPoll(
        feed_id=work.id,
        outcome=failure.reason,
        status=failure.status,
        detail=failure.detail,
        wait_s=error_wait_s(work, retry_after_s=failure.retry_after_s),
        failed=True,
    )

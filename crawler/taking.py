"""One look into the store goes in; the hosts and the work that it gave a crawler come out."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from crawler.context import Context
from crawler.items import Work
from crawler.pace import Pace
from crawler.politeness import LINK_TRIES
from services.shared.frontier import FeedKind, JobProgress
from services.shared.observability import get_logger
from services.shared.versions import ACCEPTED_AFTER
from services.storage import Connection, hosts, jobs, links, sources

TAKEN_PER_HOST = 20
#: Few, as new links that come meanwhile wait for them.
TAKEN_AGAIN = 4
#: How far a job is is looked at so often, and no more than a twentieth of the time.
PROGRESS_S = 1.0
PROGRESS_SHARE = 20
#: For copies that are to be confirmed is looked so often, and so many are taken at once.
CONFIRM_EVERY_S = 60.0
CONFIRMED_AT_ONCE = 500

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one look into the store found."""

    kept: set[str]
    new: list[hosts.Leased]
    idle: set[str]
    work: list[Work]
    told: list[hosts.Asked]
    #: Hosts with work that another crawler holds.
    others: int
    #: How far the crawl's job is, if it has one and that was looked at.
    progress: JobProgress | None


class Taker:
    """Takes what one crawl is for, under a name of its own."""

    def __init__(self, context: Context, *, kinds: Sequence[FeedKind], pace: Pace) -> None:
        """Begin with nothing taken."""
        self.crawler = uuid.uuid4().hex
        self._pace = pace
        self._kinds = kinds
        self._once = context.once
        self._lease_s = context.settings.crawl_lease_s
        self._most_hosts = context.settings.crawl_hosts
        self._names = list(context.sources)
        self._job = job = context.job
        self._only_walks = job is not None and job.is_dry_run
        #: Whose feeds are polled, and whose links are fetched that no job asks for.
        self._live = [
            name for name, source in context.sources.items() if job is None or source.enabled
        ]
        if not context.with_live:
            self._live = []
        #: Whose pages are fetched again.
        self._young = [name for name in self._live if context.sources[name].crawl.refetch_hours]
        self._progress_at = 0.0
        self._confirm_at = 0.0

    def take(
        self,
        tx: Connection,
        held: Sequence[str],
        hungry: Sequence[str],
        busy: set[str],
    ) -> Taken:
        """Renew leases, take free hosts and due work, give idle hosts back; in one transaction."""
        self._confirm(tx)
        kept = hosts.renew(tx, self.crawler, held, lease_s=self._lease_s)
        told = self._pace.to_tell()
        hosts.asked(tx, self.crawler, told)
        leased = hosts.take(
            tx,
            self.crawler,
            self._names,
            self._kinds,
            count=self._most_hosts - len(kept),
            lease_s=self._lease_s,
        )
        new = [host.name for host in leased]
        if links.free_abandoned(tx, new, max_attempts=LINK_TRIES):
            log.info("links of a crawler that is gone are due again", hosts=len(new))
        ask = [*new, *(host for host in hungry if host in kept)]
        work = self._work(tx, ask)
        used = {piece.host for piece in work} | busy
        idle = {host for host in ask if host not in used}
        hosts.give_back(tx, self.crawler, sorted(idle))
        others = 0
        if self._once and not work:
            others = hosts.left_over(tx, self.crawler, self._names, self._kinds)
        progress = self._progress(tx)
        return Taken(
            kept=kept,
            new=leased,
            idle=idle,
            work=work,
            told=told,
            others=others,
            progress=progress,
        )

    def _work(self, tx: Connection, ask: Sequence[str]) -> list[Work]:
        """Take due work of hosts: what is new, then what changed, then what jobs ask for."""
        work: list[Work] = []

        def calm() -> list[str]:
            return sorted(set(ask).difference(piece.host for piece in work))

        names, live, lease_s = self._names, self._live, self._lease_s
        if live:
            work += sources.take_due(tx, ask, live, self._kinds, lease_s=lease_s)
            work += links.take_due(tx, ask, live, per_host=TAKEN_PER_HOST)
            work += links.take_again(tx, calm(), live, per_host=TAKEN_AGAIN, lease_s=lease_s)
        work += jobs.take_walks(tx, calm(), names, count=TAKEN_AGAIN, lease_s=lease_s)
        if not self._only_walks:
            work += jobs.take_links(tx, calm(), names, per_host=TAKEN_AGAIN)
        return work

    def _confirm(self, tx: Connection) -> None:
        if not self._young or time.monotonic() < self._confirm_at:
            return
        self._confirm_at = time.monotonic() + CONFIRM_EVERY_S
        links.confirm_worse(
            tx, self._young, after_s=ACCEPTED_AFTER.total_seconds(), count=CONFIRMED_AT_ONCE
        )

    def _progress(self, tx: Connection) -> JobProgress | None:
        began = time.monotonic()
        if self._job is None or began < self._progress_at:
            return None
        progress = jobs.progress(tx, self._job.id)
        # Of a large job the counting takes a while.
        took = time.monotonic() - began
        self._progress_at = time.monotonic() + max(PROGRESS_S, took * PROGRESS_SHARE)
        return progress

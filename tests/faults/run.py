"""A seed in; a run with the faults it stands for, and what came of it, out."""

import contextlib
import json
import random
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from services.queue import Depth
from services.shared import settings as settings_module
from services.shared.errors import RasidError
from services.shared.settings import MIB
from tests.faults import accounts, pages, servers
from tests.faults.accounts import Expected
from tests.faults.faults import FAULTS
from tests.faults.pages import Pages
from tests.faults.product import Helper, Product
from tests.faults.servers import Servers
from tests.newsday import prepared
from worker.guards import STALLED_EXIT

#: The Redis for bodies may have so much, the worst case included.
MAX_MEMORY_MB = 32
#: Whoever waits so long waits in vain, also where the machine does much else.
FLOW_WITHIN_S = 180.0
DRAINED_WITHIN_S = 400.0
#: Beside what its faults take by their plan; nothing may take longer, whatever it waits for.
RUN_WITHIN_S = 1000.0
ACCOUNT_WITHIN_S = 300.0

Say = Callable[[str], None]


class StuckError(Exception):
    """Something waits that has no limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A fault: what to wait before, how long it lasts, whether recovery is waited for."""

    name: str
    after_s: float
    seconds: float
    waits: bool

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.after_s:.1f}s {self.name}({self.seconds:.1f}s){'' if self.waits else '+'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What the product has to do when a fault begins."""

    #: Pending in Redis.
    pages: int
    #: Listed by the site, not fetched yet.
    links: int
    #: Of the newest importer, not imported yet.
    files: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.pages} pages pending, {self.links} to be fetched, {self.files} files"


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a run."""

    seed: int
    plan: list[Step]
    #: Seconds from the end of a fault until pages flowed again, by fault.
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    #: At the beginning of each fault.
    under_way: list[UnderWay] = field(default_factory=list)
    #: Bytes that a main process holds before the first fault and at the end.
    resident: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0.0
    #: Of each of the product's processes.
    starts: dict[str, int] = field(default_factory=dict)
    #: Whether Celery hung when the worker was told to stop, so that its guard ended it.
    by_guard: bool = False
    #: The ends of the logs by name, where there are complaints.
    logs: dict[str, list[str]] = field(default_factory=dict)


def plan(
    seed: int, kinds: Sequence[str], most: int, shortest_s: float = 0.0, longest_s: float = 60.0
) -> list[Step]:
    """Return the faults of a seed; they walk through all kinds, seed by seed.

    Those that last, last `shortest_s` at least and `longest_s` at most, unless that is shorter.
    """
    chance = random.Random(f"plan {seed}")
    count = min(most, len(kinds)) if most else 0
    first = seed * count % len(kinds)
    names = [kinds[(first + number) % len(kinds)] for number in range(count)]
    chance.shuffle(names)
    return [
        Step(
            name=name,
            after_s=chance.choice((0.0, chance.uniform(0, 2.5))),
            seconds=_seconds(chance.uniform(*FAULTS[name].seconds), shortest_s, longest_s),
            waits=chance.random() < 0.8,
        )
        for name in names
    ]


def _seconds(usual: float, shortest_s: float, longest_s: float) -> float:
    """Return how long a fault lasts; what is over at once stays so."""
    return max(shortest_s, min(longest_s, usual)) if usual else 0.0


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise StuckError in the block after so long; it says where."""

    def ring(_number: int, frame: FrameType | None) -> None:
        where = "".join(traceback.format_stack(frame)[-8:])
        raise StuckError(f"nothing more after {seconds:.0f} s, waiting here:\n{where}")

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again, since the first may be swallowed.
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def bench(steps: int) -> Iterator["Bench"]:
    """Run servers, network and site for many runs of so many faults, one after the other."""
    state = Path(tempfile.mkdtemp(prefix="rasid-faults-", dir="/tmp"))
    there: Servers | None = None
    helpers: list[Helper] = []
    try:
        there = Servers(state / "s", max_memory_mb=MAX_MEMORY_MB)
        proxy = Helper("tests.faults.proxy", _sockets(there))
        helpers.append(proxy)
        ports = proxy.hear()
        site = Helper("tests.faults.site", str(steps))
        helpers.append(site)
        sites = site.hear()
        yield Bench(there, proxy, ports, (site, sites), pages.make(steps, sites))
    finally:
        for helper in helpers:
            helper.close()
        if there is not None:
            there.close()
        servers.remove(state)


def _sockets(there: Servers) -> str:
    return json.dumps({name: str(there.socket(name)) for name in servers.NAMES})


class Bench:
    """Servers, network and site; `run` does a run on them."""

    def __init__(
        self,
        there: Servers,
        proxy: Helper,
        ports: dict[str, int],
        site: tuple[Helper, list[str]],
        given: Pages,
    ) -> None:
        self.servers = there
        self._proxy = proxy
        self._ports = ports
        self._site, self._sites = site
        self._pages = given
        there.fresh("run_calm")
        calm = settings_module.load(
            database_url=there.url("run_calm"),
            redis_url=f"redis+socket://{there.socket('broker')}",
            redis_bodies_url=f"unix://{there.socket('bodies')}?db=0",
        )
        self._calm: Expected = accounts.expected(given, calm)

    def lacking(self, kinds: Collection[str]) -> dict[str, str]:
        """Return which of the kinds of faults cannot be made here, and why."""
        why = {name: FAULTS[name].lacking(self.servers) for name in kinds}
        return {name: reason for name, reason in why.items() if reason}

    def run(self, seed: int, steps: list[Step], say: Say) -> Result:
        """Do the run of this plan."""
        began = time.monotonic()
        result = Result(seed=seed, plan=steps)
        database = f"run_{seed}"
        self.servers.wait()
        self.servers.fresh(database)
        product = Product(
            self.servers,
            self._proxy,
            self._ports,
            database=database,
            clock=any(step.name == "clock" for step in steps),
        )
        try:
            before = accounts.used(self.servers)
            planned = sum(step.after_s + step.seconds for step in steps)
            try:
                with limit(planned + RUN_WITHIN_S):
                    self._work(product, result, random.Random(f"run {seed}"), say)
            except (TimeoutError, RasidError, StuckError) as error:
                result.complaints.append(f"{type(error).__name__}: {error}")
            with limit(ACCOUNT_WITHIN_S):
                result.complaints += self._end(product, result, before)
        except StuckError as error:
            result.complaints.append(f"StuckError: {error}")
        finally:
            product.stop()
        if result.complaints:
            result.logs = product.log_ends()
        result.starts = {name: one.starts for name, one in product.running.items()}
        result.seconds = time.monotonic() - began
        return result

    def _end(self, product: Product, result: Result, before: dict[str, int]) -> Iterator[str]:
        """Stop the product, and yield what does not add up."""
        self._proxy.say(mode="pass", delay_s=0.0)
        for name, code in product.stop().items():
            if name == "worker" and code == STALLED_EXIT:
                result.by_guard = True
            elif code not in (0, None) and product.running[name].popen.returncode != -9:
                yield f"{name} ended with {code} when told to stop"
        for name in product.ended_well():
            yield f"{name} ended with 0 although nobody told it to"
        self.servers.wait()
        yield from accounts.complaints(product, self._calm)
        for name, bytes_used in accounts.used(self.servers).items():
            if bytes_used - before[name] > accounts.MEMORY_LEFT:
                more = (bytes_used - before[name]) / MIB
                yield f"{name} holds {more:.1f} MB more than before"
        for name, (calm, held) in result.resident.items():
            if held - calm > accounts.RESIDENT_LEFT:
                yield f"the {name} holds {held / MIB:.0f} MB, and held {calm / MIB:.0f} MB"
        yield from product.complaints
        met = result.under_way
        if met and sum(one.pages for one in met) < len(met) * pages.CHUNK / 2:
            yield f"the faults met too little work: {', '.join(map(str, met))}"

    def _work(self, product: Product, result: Result, chance: random.Random, say: Say) -> None:
        given = self._pages
        with self.servers.admin(product.database) as connection:
            prepared(connection, given.asked)
        product.waiting = list(given.direct)
        files = list(given.imported)
        self._listed = 0
        self._list(pages.LISTED)
        product.start(self._sites)
        product.publish(product.next_pages(pages.CHUNK))
        begun = product.until(
            lambda: product.counts["pages"] > 0 and product.counts["links"] > 0, FLOW_WITHIN_S
        )
        if begun is None:
            raise TimeoutError("no page is done or fetched although nothing has failed yet")
        calm = product.resident()
        for step in result.plan:
            product.live(step.after_s)
            self._list(pages.LISTED - pages.HOSTS)
            product.import_some(files[: pages.FILES], chance.uniform(0, 0.02))
            del files[: pages.FILES]
            # The others may have been fetched while the importer was starting.
            self._list(pages.HOSTS)
            product.publish(product.next_pages(pages.CHUNK))
            result.under_way.append(self._under_way(product))
            say(f"  {step}: {result.under_way[-1]}")
            with FAULTS[step.name].begin(product, chance):
                product.thaw()
                product.live(step.seconds)
            self._recover(product, result, step)
        if files:
            product.import_some(files, 0)
            product.thaw()
        self._list(len(given.crawled))
        product.publish(product.waiting)
        self._drain(product, say)
        product.publish(given.changed)
        self._drain(product, say)
        for name, held in product.resident().items():
            result.resident[name] = calm[name], held

    def _list(self, count: int) -> None:
        """Have the site list so many pages more."""
        self._listed = min(self._listed + count, len(self._pages.crawled))
        self._site.say(listed=self._listed)

    def _under_way(self, product: Product) -> UnderWay:
        depth: Depth | None = None

        def told() -> bool:
            nonlocal depth
            depth = product.queue.depth()
            return True

        if product.until(told, FLOW_WITHIN_S) is None or depth is None:
            raise TimeoutError("the queue does not say how deep it is")
        return UnderWay(
            pages=depth.total,
            links=self._listed - product.counts["links"],
            files=product.files - product.counts["imports"],
        )

    def _recover(self, product: Product, result: Result, step: Step) -> None:
        """Publish some pages, and write down how long it takes until something is done."""
        product.turn()
        flow, began = FAULTS[step.name].flow, time.monotonic()
        done = product.counts[flow]
        product.publish(product.next_pages(pages.AFTER))
        self._list(pages.AFTER)
        if not step.waits:
            return
        if product.until(lambda: product.counts[flow] > done, FLOW_WITHIN_S) is None:
            raise TimeoutError(f"no {flow} were done {FLOW_WITHIN_S:.0f} s after {step.name}")
        result.recoveries.append((step.name, time.monotonic() - began))

    def _drain(self, product: Product, say: Say) -> None:
        """Return when all pages are done, fetched and imported, and nothing is pending."""
        say("  drain")
        fetched = b"select count(*) from rasid.links where state = 'fetched'"
        missing = "Redis or Postgres does not answer"

        def drained() -> bool:
            nonlocal missing
            depth = product.queue.depth()
            with self.servers.admin(product.database) as connection:
                ((links,),) = connection.execute(fetched).fetchall()
            notes = accounts.notes(self.servers)
            left = {
                f"{depth.total} pages are pending": depth.total,
                f"{depth.messages} messages wait": depth.messages,
                "an importer runs": not product.importers_done,
                f"{links} links are fetched": links != len(self._pages.crawled),
                f"left in Redis: {', '.join(notes[:5])}": notes,
            }
            missing = "; ".join(what for what, is_so in left.items() if is_so)
            return not missing

        if product.until(drained, DRAINED_WITHIN_S) is None:
            raise TimeoutError(f"not drained after {DRAINED_WITHIN_S:.0f} s: {missing}")

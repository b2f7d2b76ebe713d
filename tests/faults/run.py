"""A seed in; a run with the faults it stands for, and what came of it, out."""

import contextlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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

#: The Redis for bodies may have so much, the worst case included.
MAX_MEMORY_MB = 32
FLOW_WITHIN_S = 90.0
DRAINED_WITHIN_S = 150.0

Say = Callable[[str], None]


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


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a run."""

    seed: int
    plan: list[Step]
    #: Seconds from the end of a fault until pages flowed again, by fault.
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: Of each of the product's processes, and its exit codes.
    starts: dict[str, int] = field(default_factory=dict)
    most_bytes: int = 0


def plan(seed: int, kinds: Sequence[str], most: int) -> list[Step]:
    """Return the faults of a seed; the first of them walk through all kinds, seed by seed."""
    chance = random.Random(f"plan {seed}")
    count = min(most, len(kinds)) if most else 0
    first = seed * count % len(kinds)
    names = [kinds[(first + number) % len(kinds)] for number in range(count)]
    chance.shuffle(names)
    return [
        Step(
            name=name,
            after_s=chance.choice((0.0, chance.uniform(0, 2.5))),
            seconds=chance.uniform(*FAULTS[name].seconds),
            waits=chance.random() < 0.8,
        )
        for name in names
    ]


@contextlib.contextmanager
def bench(count: int) -> Iterator["Bench"]:
    """Run servers, network and site for many runs, one after the other."""
    state = Path(tempfile.mkdtemp(prefix="rasid-faults-", dir="/tmp"))
    there: Servers | None = None
    helpers: list[Helper] = []
    try:
        there = Servers(state / "s", max_memory_mb=MAX_MEMORY_MB)
        proxy = Helper("tests.faults.proxy", _sockets(there))
        helpers.append(proxy)
        ports = proxy.hear()
        site = Helper("tests.faults.site", str(count))
        helpers.append(site)
        sites = site.hear()
        yield Bench(there, proxy, ports, sites, pages.make(count, sites))
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
        sites: list[str],
        given: Pages,
    ) -> None:
        self.servers = there
        self._proxy = proxy
        self._ports = ports
        self._sites = sites
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
        before = accounts.used(self.servers)
        try:
            self._work(product, result, random.Random(f"run {seed}"), say)
        except (TimeoutError, RasidError) as error:
            result.complaints.append(f"{type(error).__name__}: {error}")
        except BaseException:
            product.stop()
            raise
        self._proxy.say(mode="pass", delay_s=0.0)
        codes = product.stop()
        result.complaints += [
            f"{name} ended with {code} when told to stop"
            for name, code in codes.items()
            if code not in (0, None) and product.running[name].popen.returncode != -9
        ]
        self.servers.wait()
        result.complaints += accounts.complaints(product, self._calm)
        after = accounts.used(self.servers)
        result.complaints += [
            f"{name} holds {(after[name] - before[name]) / MIB:.1f} MB more than before"
            for name in after
            if after[name] - before[name] > accounts.MEMORY_LEFT
        ]
        result.starts = {name: one.starts for name, one in product.running.items()}
        result.seconds = time.monotonic() - began
        return result

    def _work(self, product: Product, result: Result, chance: random.Random, say: Say) -> None:
        given = self._pages
        with self.servers.admin(product.database) as connection:
            prepared(connection, given.asked)
        product.waiting = list(given.direct)
        size = max(1, len(given.direct) // (2 * len(result.plan) + 2))
        product.start(given, self._sites)
        product.publish(product.next_pages(size))
        if product.until(lambda: product.done > 0, FLOW_WITHIN_S) is None:
            raise TimeoutError("no page is done although nothing has failed yet")
        for step in result.plan:
            product.live(step.after_s)
            product.publish(product.next_pages(size))
            say(f"  {step}")
            with FAULTS[step.name].begin(product, chance):
                product.live(step.seconds)
            self._recover(product, result, step, size)
        product.publish(product.waiting)
        self._drain(product, say)
        product.publish(given.changed)
        self._drain(product, say)

    def _recover(self, product: Product, result: Result, step: Step, size: int) -> None:
        """Publish some pages, and write down how long it takes until any is done."""
        done, began = product.done, time.monotonic()
        product.publish(product.next_pages(size))
        if not step.waits:
            return
        if product.until(lambda: product.done > done, FLOW_WITHIN_S) is None:
            result.complaints.append(f"no page was done {FLOW_WITHIN_S:.0f} s after {step.name}")
            return
        result.recoveries.append((step.name, time.monotonic() - began))

    def _drain(self, product: Product, say: Say) -> None:
        """Return when all pages are done, fetched and imported, and nothing is pending."""
        say("  drain")
        fetched = b"select count(*) from rasid.links where state = 'fetched'"

        def drained() -> bool:
            if (
                product.queue.depth().total
                or product.queue.depth().messages
                or not product.running["importer"].is_done
            ):
                return False
            with self.servers.admin(product.database) as connection:
                found = connection.execute(fetched).fetchall()
            return found == [(len(self._pages.crawled),)] and not accounts.notes(self.servers)

        if product.until(drained, DRAINED_WITHIN_S) is None:
            depth = product.queue.depth()
            raise TimeoutError(f"not drained: {depth}; left: {accounts.notes(self.servers)[:5]}")

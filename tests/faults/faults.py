"""Every kind of fault, as a block of time for which it lasts."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import psycopg
import redis

from services.queue import PENDING
from services.shared.errors import TransientError
from tests.faults.clock import LACKING
from tests.faults.product import Flow, Product
from tests.faults.servers import NAMES, Servers

Begin = Callable[[Product, random.Random], AbstractContextManager[None]]
#: Of pages that are announced, but never came.
GHOSTS = 3
#: A victim that is just being started again is waited for.
VICTIM_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How it begins and ends, and the seconds it lasts at least and at most."""

    begin: Begin
    seconds: tuple[float, float] = (0.5, 4.0)
    #: What has to go on before it is over: that which the victim does, else pages.
    flow: Flow = "pages"
    #: Why it cannot be made here, if it cannot.
    lacking: Callable[[Servers], str | None] = lambda _: None


@contextmanager
def _killed(
    name: str, product: Product, chance: random.Random, *, child: bool = False
) -> Iterator[None]:
    """Kill a process; a run in which there is none to kill has timed nothing, and is not right."""
    victims: list[int] = []

    def found() -> bool:
        victims[:] = product.pids(name, children=child)
        return bool(victims)

    # The importer ends by itself and has to be there now.
    product.until(found, 0.01 if name == "importer" else VICTIM_WITHIN_S)
    try:
        os.kill(chance.choice(victims), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        product.complaints.append(
            f"no {'process of the ' if child else ''}{name} was there to kill"
        )
    yield


@contextmanager
def _frozen(name: str, product: Product, _: random.Random) -> Iterator[None]:
    pids = [*product.pids(name), *product.pids(name, children=True)]

    def tell(number: int) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    tell(signal.SIGSTOP)
    try:
        yield
    finally:
        tell(signal.SIGCONT)


@contextmanager
def _stopped(name: str, product: Product, _: random.Random) -> Iterator[None]:
    product.servers.stop(name)
    try:
        yield
    finally:
        product.servers.start(name)


@contextmanager
def _dead(name: str, product: Product, _: random.Random) -> Iterator[None]:
    product.servers.down.add(name)
    product.servers.kill(name)
    try:
        yield
    finally:
        product.servers.start(name)


@contextmanager
def _paused(name: str, product: Product, _: random.Random) -> Iterator[None]:
    watching = product.unseen() if name == "postgres" else contextlib.nullcontext()
    with watching, product.servers.paused(name):
        yield


@contextmanager
def _no_memory(name: str, product: Product, _: random.Random) -> Iterator[None]:
    """The Redis is at its memory limit: nothing can be added."""
    with product.servers.redis(name) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", "1mb")
    try:
        yield
    finally:
        with product.servers.redis(name) as client:
            client.config_set("maxmemory", before)


@contextmanager
def _no_connections(product: Product, _: random.Random) -> Iterator[None]:
    """All that Postgres can give are idle with somebody else."""
    taken = []
    try:
        with product.servers.admin("postgres") as connection:
            with suppress(psycopg.Error):
                while True:
                    taken.append(product.servers.admin("postgres"))
            connection.execute(
                b"select pg_terminate_backend(pid) from pg_stat_activity "
                b"where application_name = 'rasid'"
            )
            with suppress(psycopg.Error):
                while True:
                    taken.append(product.servers.admin("postgres"))
        yield
    finally:
        for connection in taken:
            connection.close()


@contextmanager
def _read_only(product: Product, _: random.Random) -> Iterator[None]:
    def set_to(value: str) -> None:
        with product.servers.admin("postgres") as connection:
            connection.execute(f"alter system set default_transaction_read_only = {value}".encode())
            connection.execute(b"select pg_reload_conf()")

    set_to("on")
    try:
        yield
    finally:
        product.servers.wait()
        set_to("off")


@contextmanager
def _full_disk(name: str, product: Product, _: random.Random) -> Iterator[None]:
    with product.servers.full_disk(name):
        yield


@contextmanager
def _network(product: Product, chance: random.Random, *, how: str) -> Iterator[None]:
    """The network to one server or to all."""
    ways = [chance.choice(NAMES)] if chance.random() < 0.6 else list(NAMES)
    say = partial(product.proxy.say, ways=ways)
    if how == "delay":
        say(delay_s=chance.uniform(0.02, 0.2))
    elif how == "drop":
        say(mode="hold")
    elif how == "reset":
        say(reset=True)
    else:
        say(mode="refuse", reset=True)
    try:
        yield
    finally:
        # What was under way when the network was gone is of no use any more.
        say(mode="pass", delay_s=0.0, reset=how != "delay")


@contextmanager
def _clock(product: Product, chance: random.Random) -> Iterator[None]:
    """The clock of the processes jumps, and jumps back."""
    product.shift_clock(chance.choice((86_400, 3600, 300, -300, -3600, -86_400)))
    try:
        yield
    finally:
        product.shift_clock(0)


@contextmanager
def _no_messages(product: Product, _: random.Random) -> Iterator[None]:
    with suppress(redis.RedisError), product.servers.redis("broker") as client:
        client.flushall()
    yield


@contextmanager
def _no_message(product: Product, _: random.Random) -> Iterator[None]:
    """Bodies lie in Redis of which neither a set nor a message tells."""
    product.leave_bodies(product.next_pages())
    yield


@contextmanager
def _no_bodies(product: Product, chance: random.Random) -> Iterator[None]:
    """Pages are pending, some with a message, whose bodies nobody has."""
    ids = [f"{chance.getrandbits(128):032x}" for _ in range(GHOSTS)]
    product.ghosts += ids
    with product.servers.redis("bodies") as client:
        client.zadd(PENDING["live"], dict.fromkeys(ids, time.time()))
    with suppress(TransientError):
        product.queue.send(ids[:2], "live")
    yield


def _no_disk(servers: Servers) -> str | None:
    return None if servers.disks else "no disk can be mounted here: it takes root"


def _no_clock(_: Servers) -> str | None:
    return LACKING or None


VICTIMS_FLOW: dict[str, Flow] = {"crawler": "links", "importer": "imports"}


def _kinds() -> Iterator[tuple[str, Fault]]:
    for name in ("worker", "crawler", "importer", "reconciler"):
        flow = VICTIMS_FLOW.get(name, "pages")
        yield f"kill_{name}", Fault(begin=partial(_killed, name), seconds=(0, 0), flow=flow)
    yield "kill_child", Fault(begin=partial(_killed, "worker", child=True), seconds=(0, 0))
    yield "pause_worker", Fault(begin=partial(_frozen, "worker"), seconds=(1, 9))
    for name in NAMES:
        yield f"restart_{name}", Fault(begin=partial(_stopped, name), seconds=(0, 5))
        yield f"kill_{name}", Fault(begin=partial(_dead, name), seconds=(0, 5))
        yield f"pause_{name}", Fault(begin=partial(_paused, name), seconds=(1, 14))
    for name in ("bodies", "broker"):
        yield f"full_{name}", Fault(begin=partial(_no_memory, name))
    yield "no_connections", Fault(begin=_no_connections)
    yield "read_only", Fault(begin=_read_only)
    for name in ("postgres", "bodies"):
        yield f"disk_full_{name}", Fault(begin=partial(_full_disk, name), lacking=_no_disk)
    for how in ("delay", "drop", "reset", "refuse"):
        seconds = (0.0, 0.0) if how == "reset" else (1.0, 8.0)
        yield f"net_{how}", Fault(begin=partial(_network, how=how), seconds=seconds)
    yield "clock", Fault(begin=_clock, seconds=(2, 5), lacking=_no_clock)
    yield "lose_messages", Fault(begin=_no_messages, seconds=(0, 0))
    yield "no_message", Fault(begin=_no_message, seconds=(0, 0))
    yield "no_body", Fault(begin=_no_bodies, seconds=(0, 0))


FAULTS = dict(_kinds())

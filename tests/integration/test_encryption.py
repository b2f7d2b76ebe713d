"""Redis and Postgres over TLS, each process with its own Redis login; and what is not JSON.

The embedded servers speak no TLS: a proxy speaks it before them, so that what is tested is who the
clients trust.
"""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from redis.exceptions import NoPermissionError

from services.cli.session import environment
from services.dashboard.run import Stores
from services.local import Stack
from services.queue import Queue
from services.queue.broker import CELERY_QUEUES, make_celery
from services.shared import settings as settings_module
from services.shared.errors import TransientError
from services.shared.settings import Settings
from services.storage import connect
from tests.dashboard import wait_for_stores
from tests.factories import page
from tests.messages import ODD, foreign, message
from tests.patience import until
from tests.proxy import Authority, before
from tests.roles import as_role

ROOT = Path(__file__).resolve().parents[2]
HTML = "<html><body><article><h1>Title</h1>{}</article></body></html>".format(
    "".join(
        f"<p>The council met for the {n}th time, and it was a long day again.</p>" for n in range(9)
    )
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom our clients trust."""
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture
def logins(empty_redis: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The Redis logins that deploy/make-secrets makes, on both servers: password by process."""
    script = ["sh", str(ROOT / "deploy/make-secrets")]
    subprocess.run(script, env={**os.environ, "RASID_SECRETS": str(tmp_path)}, check=True)
    made: dict[str, str] = {}
    stores = (("broker", empty_redis.broker_socket), ("bodies", empty_redis.bodies_socket))
    for name, socket in stores:
        lines = (tmp_path / f"redis-{name}" / "redis.conf").read_text("utf-8").splitlines()
        # With less Redis 8 (not Valkey) drops the transactions of its log when it comes back: seen
        # by tests/acceptance/test_compose.py.
        assert lines[0] == "user default off resetpass ~* &* +@all"
        with redis.Redis(unix_socket_path=str(socket)) as client:
            for _, user, *rules in (line.split() for line in lines):
                if user != "default":  # by whom the other tests come in
                    client.execute_command("ACL", "SETUSER", user, "reset", *rules)
                    made[user] = rules[1].removeprefix(">")
    made = {user: _password(tmp_path, user) for user in made if user != "health"}
    yield made
    for _, socket in stores:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            client.acl_deluser("health", *made)


def _password(folder: Path, user: str) -> str:
    return (folder / user / "redis_password").read_text("utf-8").strip()


Login = Callable[[str], Settings]


@pytest.fixture
def over_tls(
    empty_redis: Stack, database_url: str, logins: Mapping[str, str], authority: Authority
) -> Iterator[Login]:
    """Settings of a process: its own login on each store, both Redis over TLS."""
    files = authority.vouch("localhost")
    with (
        before(empty_redis.broker_socket, files) as broker,
        before(empty_redis.bodies_socket, files) as bodies,
    ):

        def login(process: str) -> Settings:
            user = f"rediss://{process}:{logins[process]}@localhost"
            return settings_module.load(
                database_url=as_role(database_url, process),
                redis_url=f"{user}:{broker}/0",
                redis_bodies_url=f"{user}:{bodies}/0",
                redis_ca_file=authority.file,
            )

        yield login


@contextmanager
def running(settings: Settings, command: str, log: Path) -> Iterator[None]:
    """Run a process of Rasid beside the block, all it says in a file."""
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        **environment(settings),
        "RASID_REDIS_CA_FILE": str(settings.redis_ca_file),
        "RASID_CONCURRENCY": "1",
        "RASID_REQUEUE_AFTER_S": "1",
        "RASID_RECONCILE_EVERY_S": "0.5",
    }
    argv = [sys.executable, "-P", "-m", "services.cli", command]
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=env, stdout=output, stderr=output)
        try:
            yield
            assert process.poll() is None, "it has ended by itself"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


FORGOTTEN = f"rasid:body:{'f' * 32}"


class Hostile:
    """Who unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:  # noqa: D105 - pickle's own
        return (Path.touch, (self.path,))


def test_each_process_by_its_own_login(
    over_tls: Login, empty_redis: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages reach Postgres over TLS, with rights for each process' own work and for no other.

    Meanwhile somebody puts on the queue whatever he likes: the worker goes on, each is counted,
    nothing is unpickled, and none comes again. Nor does it take orders over Celery's remote
    control, whoever gives them.
    """
    producer = Queue(over_tls("crawler"))
    trap = tmp_path / "unpickled"
    refuse = list(foreign(pickle.dumps(Hostile(trap))).values())
    with redis.Redis(unix_socket_path=str(empty_redis.broker_socket)) as anybody:
        anybody.lpush(CELERY_QUEUES["live"], *refuse[::2])
        # Of these the id is read, of which nobody has a body.
        anybody.lpush(CELERY_QUEUES["live"], *(message(headers=odd) for odd in ODD.values()))
    with redis.Redis(unix_socket_path=str(empty_redis.bodies_socket)) as anybody:
        anybody.set(FORGOTTEN, "of which no id waits")
    log, reconciler = tmp_path / "worker.log", tmp_path / "reconciler.log"
    pages = [page(HTML, requested_url=f"https://example.org/{n}") for n in range(5)]
    with (
        running(over_tls("worker"), "worker", log),
        running(over_tls("reconciler"), "reconcile", reconciler),
        redis.Redis(unix_socket_path=str(empty_redis.bodies_socket)) as anybody,
    ):
        assert producer.publish(pages[:3], "live") == 3
        with redis.Redis(unix_socket_path=str(empty_redis.broker_socket)) as broker:
            broker.lpush(CELERY_QUEUES["live"], *refuse[1::2])
        assert not producer.fullness().full
        assert Queue(over_tls("importer")).publish(pages[3:], "bulk") == 2
        # The hint is lost: the reconciler sends it again.
        with redis.Redis(unix_socket_path=str(empty_redis.broker_socket)) as broker:
            broker.ltrim(CELERY_QUEUES["bulk"], 1, 0)

        def drained() -> bool:
            return not (producer.depth().total or anybody.exists(FORGOTTEN) or producer.messages())

        until(drained, lambda: log.read_text("utf-8")[-3000:])
        _give_orders(over_tls("operator"))
        assert producer.publish([page(HTML, requested_url="https://example.org/5")], "live") == 1
        until(drained, lambda: log.read_text("utf-8")[-3000:])
    wait_for_stores(monkeypatch)
    with closing(Stores(over_tls("dashboard"))) as stores:
        assert stores.ready() == ""
        told = stores.look()
        # That the brake is on is seen as well.
        braked = {"since": 1.0, "dead_letters": 1, "of_pages": 1, "said": [], "trials": 0}
        with redis.Redis(unix_socket_path=str(empty_redis.bodies_socket)) as anybody:
            anybody.set("rasid-brake", json.dumps({**braked, "next_trial_at": 1.0}))
        assert stores.look().brake is not None
    said = log.read_text("utf-8")
    assert "cannot reconcile" not in reconciler.read_text("utf-8")

    assert told.store
    assert told.depth
    assert sum(told.store.outcomes.values()) == 6 + len({FORGOTTEN, "0"})
    assert not trap.exists()
    refused = [line for line in said.splitlines() if "message refused" in line]
    assert len(refused) == len(refuse)
    assert json.loads(refused[-1])["refused"] == len(refuse)
    with redis.Redis(unix_socket_path=str(empty_redis.broker_socket)) as broker:
        assert broker.hlen("unacked") == 0
        assert broker.exists("mine") == 0
    assert Queue(over_tls("operator")).depth().total == 0


def _give_orders(settings: Settings) -> None:
    control = make_celery(settings).control
    control.shutdown()
    control.pool_shrink(100)
    for queue in CELERY_QUEUES.values():
        control.cancel_consumer(queue)
    assert not control.ping(timeout=1)


def test_who_brings_pages_changes_none(over_tls: Login) -> None:
    """A stolen login that adds pages reads, alters, ages and removes none, and takes no hint."""
    for login in ("crawler", "importer"):
        settings = over_tls(login)
        body = f"rasid:body:{login}"
        bodies, hints = (
            redis.Redis.from_url(str(url), ssl_ca_certs=str(settings.redis_ca_file))
            for url in (settings.redis_bodies_url, settings.redis_url)
        )
        producer = Queue(settings)
        before = producer.messages()
        producer.send(["1"], "live")  # not by the reconciler's help alone
        assert producer.messages() == before + 1
        assert bodies.setnx(body, "x")
        assert not bodies.setnx(body, "y")
        for attempt in (
            lambda client=bodies, key=body: client.set(key, "y"),
            lambda client=bodies, key=body: client.set(key, "x", px=1),
            lambda client=bodies, key=body: client.get(key),
            lambda client=bodies, key=body: client.append(key, "y"),
            lambda client=bodies, key=body: client.expire(key, 1),
            lambda client=bodies, key=body: client.rename(key, "rasid:body:else"),
            lambda client=bodies, key=body: client.unlink(key),
            lambda client=bodies: client.zrem("rasid:pending:live", "x"),
            bodies.flushall,
            bodies.keys,
            lambda client=hints: client.brpop(["rasid-live"], 1),
            lambda client=hints: client.ltrim("rasid-live", 1, 0),
            lambda client=hints: client.sadd("_kombu.binding.rasid-live", "mine"),
        ):
            with pytest.raises(NoPermissionError):
                attempt()
        bodies.close()
        hints.close()


def test_who_brings_pages_gives_no_orders(over_tls: Login) -> None:
    """A stolen login that needs no remote control of Celery's cannot even say anything there."""
    for login in ("crawler", "importer", "dashboard"):
        settings = over_tls(login)
        client = redis.Redis.from_url(
            str(settings.redis_url), ssl_ca_certs=str(settings.redis_ca_file)
        )
        with client, pytest.raises(NoPermissionError):
            client.publish("/0.celery.pidbox", "{}")


def test_the_dashboard_counts_and_reads_no_message(over_tls: Login) -> None:
    """Its login may ask how much waits, and not what a message, a body or another key holds."""
    settings = over_tls("dashboard")
    queue = Queue(settings)
    queue.ping()
    assert queue.depth().total == 0
    assert queue.brake.state() is None
    broker, bodies = queue.broker, queue.bodies
    for attempt in (
        lambda: broker.lrange("rasid-live", 0, -1),
        lambda: broker.lpush("rasid-live", "x"),
        lambda: broker.hgetall("rasid:attempts"),
        lambda: broker.llen("unacked"),
        broker.scan,
        lambda: bodies.get("rasid:body:mine"),
        lambda: bodies.lrange("rasid-recent", 0, -1),
        lambda: bodies.zrem("rasid:pending:live", "x"),
        lambda: bodies.delete("rasid-brake"),
        bodies.scan,
    ):
        with pytest.raises(NoPermissionError):
            attempt()


def test_only_who_is_vouched_for_is_trusted(
    over_tls: Login, empty_redis: Stack, authority: Authority, tmp_path: Path
) -> None:
    """A server with another authority's certificate, or for another name, gets no password."""
    trusted = over_tls("crawler")
    stranger = Authority(tmp_path, "stranger").file
    elsewhere = {
        name: str(getattr(trusted, name)).replace("@localhost:", "@127.0.0.1:")
        for name in ("redis_url", "redis_bodies_url")
    }
    Queue(trusted).ping()
    for wrong in ({"redis_ca_file": stranger}, {"redis_ca_file": None}, elsewhere):
        queue = Queue(trusted.model_copy(update=wrong))
        with pytest.raises(TransientError, match="certificate"):
            queue.ping()
        with pytest.raises(TransientError, match="certificate"):
            queue.send(["1"], "live")  # Celery's own connection

    certificate, key = authority.vouch("crawler")
    files = authority.vouch("localhost")
    with ExitStack() as stack:
        ports = [
            stack.enter_context(before(socket, files, clients=authority.file))
            for socket in (empty_redis.broker_socket, empty_redis.bodies_socket)
        ]
        urls = {
            name: f"rediss://localhost:{port}/0"
            for name, port in zip(("redis_url", "redis_bodies_url"), ports, strict=True)
        }
        ours = {"redis_cert_file": certificate, "redis_key_file": key}
        Queue(trusted.model_copy(update=urls | ours)).ping()
        Queue(trusted.model_copy(update=urls | ours)).send(["1"], "live")
        with pytest.raises(TransientError):
            Queue(trusted.model_copy(update=urls)).ping()


def test_postgres_over_tls(
    stack: Stack, database_url: str, authority: Authority, tmp_path: Path
) -> None:
    """With sslmode=verify-full Postgres is asked for a certificate for its name as well."""
    socket = Path(psycopg.conninfo.conninfo_to_dict(stack.database_url)["host"]) / ".s.PGSQL.5432"  # type: ignore[arg-type]
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with before(socket, authority.vouch("localhost"), postgres=True) as port:

        def url(host: str, authority: Path) -> str:
            verify = f"sslmode=verify-full&sslrootcert={authority}"
            return f"postgresql://rasid_worker@{host}:{port}/{name}?{verify}"

        with connect(url("localhost", authority.file)) as connection:
            assert connection.execute(b"select current_user").fetchone() == ("rasid_worker",)
        for wrong in (
            url("localhost", Authority(tmp_path, "stranger").file),
            url("127.0.0.1", authority.file),
        ):
            with pytest.raises(TransientError, match="certificate"):
                connect(wrong)

"""Where a command finds Postgres and Redis: the addresses given, or the embedded servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.local import Stack, attach, start
from services.shared import settings as settings_module
from services.shared.errors import LocalServersError, RasidError
from services.shared.settings import Settings
from services.storage import Connection, connect
from services.storage.migrate import migrate, wait


@dataclass(frozen=True, slots=True)
class Session:
    """Settings with every address filled in; `stack` is set where this command started servers."""

    settings: Settings
    stack: Stack | None = None

    @property
    def database_url(self) -> str:
        """Return the address of Postgres, which is always known here."""
        return self.settings.database_url or ""


@contextmanager
def servers(settings: Settings, *, redis: bool = True) -> Iterator[Session]:
    """Give the addresses of the servers, for the time of the block.

    DATABASE_URL and REDIS_URL where they are set; else those of a `rasid` that runs with this
    state directory; else embedded servers, started for the block, with the schema up to date.

    Raises:
        RasidError: only one of the two addresses is set, or no server can be had.
    """
    if settings.database_url or settings.redis_url:
        missing = [
            name
            for name, value, needed in (
                ("DATABASE_URL", settings.database_url, True),
                ("REDIS_URL", settings.redis_url, redis),
            )
            if needed and not value
        ]
        if missing:
            raise RasidError(
                f"{' and '.join(missing)} is not set: set both DATABASE_URL and REDIS_URL, "
                "or neither to use the embedded servers"
            )
        yield Session(settings)
        return
    if running := attach(settings.state_dir):
        yield _attached(settings, running)
        return
    try:
        stack = start(settings.state_dir)
    except LocalServersError:
        # Another rasid may have been starting just now.
        if running := attach(settings.state_dir):
            yield _attached(settings, running)
            return
        raise
    with stack:
        migrate(stack.database_url)
        session = Session(_with_addresses(settings, stack), stack)
        if redis:
            # The embedded broker begins empty: of what was left on the queue no worker knows.
            # Here, because it takes long and most need it not.
            from services.queue import Queue
            from services.queue.reconcile import Reconciler

            Reconciler(Queue(session.settings)).send_all()
        yield session


@contextmanager
def database(settings: Settings) -> Iterator[Connection]:
    """Give a connection to Postgres, for the time of the block; for what needs no Redis.

    Raises:
        RasidError: as `servers`, or the schema does not fit.
        TransientError: Postgres is away.
    """
    with servers(settings, redis=False) as session, connect(session.database_url) as connection:
        yield connection


def _attached(settings: Settings, running: Stack) -> Session:
    # Whoever has just started the servers migrates after that.
    wait(running.database_url)
    return Session(_with_addresses(settings, running))


def _with_addresses(settings: Settings, stack: Stack) -> Settings:
    return settings_module.load(
        **{
            **settings.model_dump(),
            "database_url": stack.database_url,
            "redis_url": stack.redis_url,
            "redis_bodies_url": stack.redis_bodies_url,
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables by which a child process finds the same servers."""
    addresses = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "REDIS_BODIES_URL": settings.redis_bodies_url,
        "RASID_STATE": str(settings.state_dir),
        "RASID_SOURCES": str(settings.sources_file),
    }
    return {name: value for name, value in addresses.items() if value}

"""Settings go in; the dashboard is served until SIGTERM."""

import errno
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from services import health
from services.dashboard.app import WILDCARDS, make_app
from services.dashboard.protocol import HEADERS, Protocol
from services.health import Health
from services.queue import Queue
from services.shared.errors import RasidError
from services.shared.observability import configure_logging, get_logger, sign_of_life
from services.shared.settings import Settings
from services.storage import Database, Limits, connect

#: A statement that takes longer Postgres gives up, and, should it not answer at all, we do.
LOOKING = Limits(patience_s=25, statement_s=20, read_only=True)
#: The same where it is only asked whether it answers.
ASKING = Limits(patience_s=5, statement_s=5, read_only=True)
#: More get 503.
CONNECTIONS = 100
ALIVE_EVERY_S = 5
#: What is being answered at the end may take so long.
GRACE_S = 5

log = get_logger()


def main(settings: Settings, *, on_start: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT; `on_start` is told the address.

    Raises:
        RasidError: it cannot listen there.
    """
    configure_logging(settings, process="dashboard")
    with closing(listener(settings)) as listening, closing(Stores(settings)) as stores:
        serving = server(make_app(settings, stores.look, stores.ready), settings)

        def stop(_number: int, _frame: FrameType | None) -> None:
            # uvicorn does so by itself once it runs, and sends itself the signal again at its end.
            serving.should_exit = True

        before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            address = address_of(listening, settings)
            log.info("dashboard starts", address=address)
            on_start(address)
            serving.run([listening])
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
    log.info("dashboard ends")


def server(app: Starlette, settings: Settings) -> uvicorn.Server:
    """Return what serves an application with the headers and the limits of the dashboard."""

    async def live() -> None:
        sign_of_life(settings)

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            headers=list(HEADERS.items()),
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            # Its warnings are of what strangers send: a line for each, as fast as they send it.
            log_level="error",
            backlog=CONNECTIONS,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
            timeout_notify=ALIVE_EVERY_S,
            callback_notify=live,
        )
    )


class Stores:
    """Both stores, as the dashboard asks them: whatever goes wrong, there is an answer."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._url = settings.database_url or ""
        self._database = Database(self._url, LOOKING)
        self._queue = Queue(settings)

    def look(self) -> Health:
        """Return whether all is well."""
        try:
            return health.look(self._database, self._queue)
        except Exception as error:
            # A mistake of ours, or a right that is missing: what it is, stands in the log alone.
            log.exception("cannot look")
            words = f"the stores cannot be read ({type(error).__name__}): see the dashboard's log"
            return Health(at=datetime.now(UTC), problems=(words,))

    def ready(self) -> str:
        """Return why the stores cannot be worked with, or nothing; over a connection of its own."""
        try:
            connect(self._url, ASKING).close()
            self._queue.ping()
        except RasidError as error:
            return health.without_secrets(str(error), self._settings)
        except Exception as error:
            log.exception("cannot ask")
            return type(error).__name__
        return ""

    def close(self) -> None:
        """Let go of Postgres."""
        self._database.close()


def listener(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say.

    Raises:
        RasidError: it cannot; the message says what to do.
    """
    place = (settings.dashboard_bind, settings.dashboard_port)
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    try:
        listening = socket.create_server(place, family=family)
        # What it accepts takes it over; asyncio sees no TCP in such a socket, and an answer in two
        # parts would wait 40 ms for its second one.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        wanted = f"the dashboard cannot listen on {place[0]} port {place[1]}"
        if error.errno == errno.EADDRINUSE:
            raise RasidError(
                f"{wanted}: another program does, perhaps `rasid up` with its own dashboard; stop "
                "it, or set RASID_DASHBOARD_PORT to another port (0: any that is free)"
            ) from error
        raise RasidError(
            f"{wanted}: {error.strerror}; set RASID_DASHBOARD_BIND and RASID_DASHBOARD_PORT"
        ) from error
    return listening


def address_of(listening: socket.socket, settings: Settings) -> str:
    """Return what to type into a browser of this machine, which is answered."""
    port = listening.getsockname()[1]
    host = settings.dashboard_bind
    if host in WILDCARDS:
        host = "::1" if host == "::" else "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

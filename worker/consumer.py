"""Celery's consumer, made to come back to its broker as all of ours come back to a server."""

import time
from typing import Any

from celery.worker import consumer
from celery.worker.state import maybe_shutdown
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from services.queue.messages import OurChannel
from services.shared.backoff import Backoff
from services.shared.observability import get_logger

#: Waits for the broker. Celery's own grow to 30 s, the same for all workers, and where a broker
#: lets in but refuses what comes next, as at its memory limit, there are none.
RECONNECT_S = 0.5, 15.0
#: A connection that held so long was well: what ends it is a new trouble.
STEADY_S = 30.0

log = get_logger()


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Waits longer each time, and never as long as other workers; reads only messages of ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing has failed yet."""
        self._backoff = Backoff(*RECONNECT_S)
        self._tried_at: float | None = None
        super().__init__(*args, **kwargs)

    def connect(self) -> Connection:
        """Return a connection to the broker, however long that takes."""
        if self._tried_at is not None:
            if time.monotonic() - self._tried_at >= STEADY_S:
                self._backoff.reset()
            self._pause(self._backoff.next())
        try:
            connection: Connection = super().connect()
        finally:
            self._tried_at = time.monotonic()
        return connection

    def ensure_connected(self, conn: Connection) -> Connection:
        """Return the connection once the broker is there."""
        conn.transport.Channel = OurChannel
        while True:
            try:
                conn.ensure_connection(max_retries=0)  # type: ignore[no-untyped-call]
            except OperationalError as error:
                wait = self._backoff.next()
                log.warning("broker away", error=str(error), wait_s=round(wait, 1))
                self._pause(wait)
            else:
                self.first_connection_attempt = False
                return conn

    def _pause(self, seconds: float) -> None:
        """Wait; a worker that is told to stop does so within a second."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            maybe_shutdown()
            time.sleep(min(left, 1.0))

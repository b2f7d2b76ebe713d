"""Send again what a worker never heard of or never finished; the safety net under Celery.

And under the change feed: publish what a worker has stored, but did not live to publish. And under
stories and captures: make the partitions of the time to come.
"""

import signal
import threading
import time

from services.queue import Queue
from services.queue.reconcile import Reconciler
from services.shared.backoff import Backoff
from services.shared.errors import TransientError
from services.shared.observability import configure_logging, get_logger, sign_of_life
from services.shared.settings import Settings
from services.storage import Database, changes, partitions

#: A change whose writer was killed after its commit waits so long for its position.
PUBLISH_EVERY_S = 1.0
#: While Postgres or Redis is away they are looked for after the first time, and at last the second.
LOOK_AGAIN_S = 1.0, 15.0
#: Partitions are made a week ahead and more.
ROLL_EVERY_S = 6 * 3600
#: The same while somebody holds the tables, such as a dump.
ROLL_AGAIN_S = 300.0

log = get_logger()


def main(settings: Settings) -> None:
    """Look every `reconcile_every_s` seconds until SIGTERM or SIGINT. Any number may run."""
    configure_logging(settings, process="reconciler")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    reconciler = Reconciler(Queue(settings))
    log.info("reconciler starts", every_s=settings.reconcile_every_s)
    # Beside the loop: neither waits for the other's store.
    publisher = threading.Thread(target=_publish, args=(settings, stop), daemon=True)
    publisher.start()
    backoff = Backoff(*LOOK_AGAIN_S)
    while not stop.is_set():
        wait = settings.reconcile_every_s
        try:
            look(reconciler)
            sign_of_life(settings)
            backoff.reset()
        except TransientError as error:
            log.warning("cannot reconcile", error=str(error))
            wait = backoff.next()
        stop.wait(wait)
    publisher.join(PUBLISH_EVERY_S)


def _publish(settings: Settings, stop: threading.Event) -> None:
    """Publish changes every second; whatever goes wrong is said once and tried again."""
    database = Database(settings.database_url or "")
    backoff = Backoff(*LOOK_AGAIN_S)
    told = ""
    roll_at = time.monotonic()
    while not stop.is_set():
        wait = PUBLISH_EVERY_S
        try:
            changes.publish(database.connection())
            if time.monotonic() >= roll_at:
                roll_at = time.monotonic() + ROLL_AGAIN_S
                partitions.roll(database.connection())
                roll_at = time.monotonic() + ROLL_EVERY_S
            told = ""
            backoff.reset()
        except Exception as error:  # noqa: BLE001 - this thread must not end
            wait = backoff.next()
            if str(error) != told:
                told = str(error)
                log.warning("cannot publish changes", error=told)
        stop.wait(wait)
    database.close()


def look(reconciler: Reconciler) -> int:
    """Send again what has waited too long; return how many pages.

    Raises:
        TransientError: Redis is away.
    """
    sent = reconciler.reconcile()
    if total := sum(sent.values()):
        log.warning("sent again", **{lane: count for lane, count in sent.items() if count})
    return total

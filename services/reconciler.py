"""Send again what a worker never heard of or never finished; the safety net under Celery."""

import signal
import threading

from services.queue import Queue
from services.shared.errors import TransientError
from services.shared.observability import configure_logging, get_logger, sign_of_life
from services.shared.settings import Settings

log = get_logger()


def main(settings: Settings) -> None:
    """Look every `reconcile_every_s` seconds until SIGTERM or SIGINT. Any number may run."""
    configure_logging(settings, process="reconciler")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    queue = Queue(settings)
    log.info("reconciler starts", every_s=settings.reconcile_every_s)
    while not stop.is_set():
        try:
            look(queue)
            sign_of_life(settings)
        except TransientError as error:
            log.warning("cannot reconcile", error=str(error))
        stop.wait(settings.reconcile_every_s)


def look(queue: Queue) -> int:
    """Send again what has waited too long; return how many pages.

    Raises:
        TransientError: Redis is away.
    """
    sent = queue.reconcile()
    if total := sum(sent.values()):
        log.warning("sent again", **{lane: count for lane, count in sent.items() if count})
    return total

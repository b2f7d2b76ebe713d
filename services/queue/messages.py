"""What a worker reads from the broker: messages of ours, and nothing else.

Anybody who may put work on the queue may put anything there. Of itself Celery ends the worker at
text that is no envelope, and takes orders from what is one: when to run, what to send next. Here
the rest is counted and dropped. No page is lost by that: it is still pending. And of what is ours
the lane and the ids go on, in an envelope made here: nothing else that was written reaches Celery.
"""

import base64
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import redis
from kombu.transport.redis import Channel

from services.queue import TASK
from services.queue.bodies import is_page_id
from services.queue.broker import CELERY_QUEUES
from services.shared.contracts import LANES, Lane
from services.shared.errors import InvalidMessage
from services.shared.observability import get_logger

#: Ours have about 2 kB: ten ids, twice.
MOST_BYTES = 64 * 1024
#: Ours hold ten. What is left over is pending, and so is sent again.
MOST_IDS = 100
#: What stands where in an envelope. Celery would obey most of it; ours ask for nothing but to be
#: run.
EXPECTED: dict[tuple[str, ...], tuple[object, ...]] = {
    ("content-type",): ("application/json",),
    ("content-encoding",): ("utf-8",),
    ("properties", "body_encoding"): ("base64",),
    ("headers", "task"): (TASK,),
    ("headers", "compression"): (None,),
    ("headers", "eta"): (None,),
    ("headers", "expires"): (None,),
    ("headers", "group"): (None,),
    ("headers", "retries"): (None, 0),
    ("headers", "stamped_headers"): (None, []),
    ("headers", "stamps"): (None, {}),
    ("headers", "timelimit"): (None, [None, None]),
}
TEXTS = (
    ("body",),
    ("headers", "id"),
    ("properties", "delivery_tag"),
    ("properties", "delivery_info", "exchange"),
    ("properties", "delivery_info", "routing_key"),
)

log = get_logger()


class OurChannel(Channel):
    """The transport's, to which anything but messages of ours is as if nothing had come."""

    def close(self) -> None:
        """Give back what was not done yet, if the connection is still there."""
        with self._while_connected():
            super().close()  # type: ignore[no-untyped-call]

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Say that a message is done with, if the connection it came by is still there."""
        with self._while_connected():
            super().basic_ack(delivery_tag, multiple=multiple)  # type: ignore[no-untyped-call]

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give a message back, if the connection it came by is still there."""
        with self._while_connected():
            super().basic_reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]

    @contextmanager
    def _while_connected(self) -> Iterator[None]:
        """Let pass what the transport raises where it was closed halfway: it ends the worker else.

        Closing ends halfway where a server goes away meanwhile, and is tried twice then. Messages
        that were not answered are given again; who gets them finds them done, or does them.
        """
        try:
            yield
        except AttributeError:
            if self.connection is not None and self.connection.client is not None:
                raise
            log.warning("messages could not be answered: their connection is gone")

    def _get_client(self) -> type[redis.Redis]:
        return _Client


class _Client(redis.Redis):
    refused: ClassVar[int] = 0

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Return the answer; none where it is work that is not ours."""
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer:
            return answer
        try:
            return answer[0], envelope(*read(answer[1]))
        except InvalidMessage as error:
            _Client.refused += 1
            log.error("message refused", refused=_Client.refused, error=str(error))  # noqa: TRY400
            return None


def read(stored: bytes) -> tuple[Lane, list[str]]:
    """Return the lane and the ids that a message tells, each once.

    Raises:
        InvalidMessage: it is none of ours.
    """
    if len(stored) > MOST_BYTES:
        raise InvalidMessage(f"{len(stored)} bytes")
    try:
        told = json.loads(stored.decode())
        for path, values in EXPECTED.items():
            if (value := _at(told, path)) not in values:
                raise InvalidMessage(f"{'.'.join(path)}: {value!r:.60}")
        for path in TEXTS:
            if not isinstance(value := _at(told, path), str):
                raise InvalidMessage(f"{'.'.join(path)}: {value!r:.60}")
        (lane, ids), named, then = json.loads(base64.b64decode(told["body"], validate=True))
        if lane not in LANES or not (isinstance(ids, list) and ids and all(map(is_page_id, ids))):
            raise InvalidMessage("arguments that are none of ours")
        if named != {} or any(then.values()):
            raise InvalidMessage("it asks for what comes next")
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"{type(error).__name__}: {error}"[:100]) from error
    return lane, list(dict.fromkeys(ids[:MOST_IDS]))


def envelope(lane: Lane, ids: Sequence[str]) -> bytes:
    """Return a message with nothing in it but what the task is told."""
    body = json.dumps([[lane, list(ids)], {}, {}]).encode()
    name = str(uuid.uuid4())
    told = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"id": name, "lang": "py", "task": TASK, "retries": 0},
        "properties": {
            "body_encoding": "base64",
            "correlation_id": name,
            "delivery_info": {"exchange": "", "routing_key": CELERY_QUEUES[lane]},
            "delivery_mode": 2,
            "delivery_tag": name,
            "priority": 0,
        },
    }
    return json.dumps(told).encode()


def _at(told: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told

"""What a worker reads from the broker: messages of ours, and nothing else.

Anybody who may put work on the queue may put anything there. Of itself Celery ends the worker at
text that is no envelope, and takes orders from what is one: when to run, what to send next. Here
the rest is counted and dropped. No page is lost by that: it is still pending.
"""

import base64
import json
from typing import Any, ClassVar

import redis
from kombu.transport.redis import Channel

from services.queue import TASK
from services.shared.observability import get_logger

#: Ours have about 2 kB: ten ids, twice.
MOST_BYTES = 64 * 1024
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

    def _get_client(self) -> type[redis.Redis]:
        return _Client


class _Client(redis.Redis):
    refused: ClassVar[int] = 0

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Return the answer; none where it is work that is not ours."""
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer or not (wrong := problem(answer[1])):
            return answer
        _Client.refused += 1
        log.error("message refused", refused=_Client.refused, error=wrong)
        return None


def problem(stored: bytes) -> str | None:
    """Return why the bytes are no message of ours; None if they are one. Pure."""
    if len(stored) > MOST_BYTES:
        return f"{len(stored)} bytes"
    try:
        told = json.loads(stored)
        for path, values in EXPECTED.items():
            if (value := _at(told, path)) not in values:
                return f"{'.'.join(path)}: {value!r:.60}"
        for path in TEXTS:
            if not isinstance(value := _at(told, path), str):
                return f"{'.'.join(path)}: {value!r:.60}"
        args, named, then = json.loads(base64.b64decode(told["body"], validate=True))
        if isinstance(args, list) and named == {} and isinstance(then, dict):
            return "it asks for what comes next" if any(then.values()) else None
        return "arguments that are none of ours"  # noqa: TRY300 - one of several answers
    except (TypeError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"[:100]


def _at(told: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told

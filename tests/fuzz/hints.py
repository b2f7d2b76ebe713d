"""What lies on the queue beside messages of ours."""

import base64
import json
from collections.abc import Iterator

from services.queue.messages import problem
from tests.fuzz.promises import is_text
from tests.fuzz.target import Target
from tests.messages import foreign, message
from worker.tasks import hint


def hinted(data: bytes) -> None:
    """The bytes: one item of the list in the broker."""
    if wrong := problem(data):
        is_text(wrong, 200)
        return
    args, _, _ = json.loads(base64.b64decode(json.loads(data)["body"]))
    lane, ids = hint(args)
    assert lane in (None, "live", "bulk", "replay")
    assert all(page_id.isascii() for page_id in ids)


def _messages() -> Iterator[bytes]:
    yield message()
    yield from (data for data in foreign().values() if len(data) < 1000)


TARGETS = (
    Target(
        name="hint",
        run=hinted,
        seeds=_messages,
        pieces=(
            message(),
            message(b'[["live", ["0"]], {}, {}]'),
            b'"headers": {',
            b'"body": "',
            b"[[]",
        ),
    ),
)

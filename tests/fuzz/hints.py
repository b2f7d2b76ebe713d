"""What lies on the queue beside messages of ours."""

import base64
import json
from collections.abc import Iterator

from services.queue.messages import envelope, read
from services.shared.errors import InvalidMessage
from tests.fuzz.promises import is_text
from tests.fuzz.target import Target
from tests.messages import foreign, message
from worker.tasks import hint


def hinted(data: bytes) -> None:
    """The bytes: one item of the list in the broker."""
    try:
        lane, ids = read(data)
    except InvalidMessage as error:
        is_text(str(error), 200)
        return
    args, _, _ = json.loads(base64.b64decode(json.loads(envelope(lane, ids))["body"]))
    assert hint(args)[0] == lane
    assert all(page_id.isascii() for page_id in hint(args)[1])


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

"""What lies on the queue beside messages of ours."""

from collections.abc import Iterator

from services.queue.messages import envelope, read
from services.shared.errors import InvalidMessage
from tests.fuzz.promises import is_text
from tests.fuzz.target import Target
from tests.messages import foreign, message


def hinted(data: bytes) -> None:
    """The bytes: one item of the list in the broker."""
    try:
        lane, ids = read(data)
    except InvalidMessage as error:
        is_text(str(error), 200)
        return
    assert ids
    assert all(page_id.isascii() for page_id in ids)
    assert read(envelope(lane, ids)) == (lane, ids)


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

"""What a worker takes from the broker, and what it does not."""

import json

import pytest

from services.queue.messages import envelope, read
from services.shared.errors import InvalidMessage
from tests.messages import ODD, foreign, message


def test_ours_are_taken() -> None:
    """A message of ids is read, also one that was on its way before."""
    assert read(message()) == ("live", ["0"])
    assert read(message(headers={"redelivered": True})) == ("live", ["0"])
    assert read(envelope("replay", ["a", "b.7"])) == ("replay", ["a", "b.7"])


@pytest.mark.parametrize("stored", foreign().values(), ids=foreign())
def test_what_is_not_ours_is_refused(stored: bytes) -> None:
    """Text that is no envelope, and orders to Celery, are told from messages, in few words."""
    with pytest.raises(InvalidMessage) as wrong:
        read(stored)

    assert 0 < len(str(wrong.value)) < 150


@pytest.mark.parametrize("headers", ODD.values(), ids=ODD)
def test_nothing_else_of_a_message_goes_on(headers: dict[str, object]) -> None:
    """Whatever a message of ids holds besides, Celery is given lane and ids alone."""
    given = envelope(*read(message(headers=headers, properties={"delivery_tag": "\ud800"})))
    told = json.loads(given.decode("ascii"))

    assert set(told["headers"]) == {"id", "lang", "task", "retries"}
    assert told["headers"]["id"] == told["properties"]["delivery_tag"] != "\ud800"
    assert read(given) == ("live", ["0"])

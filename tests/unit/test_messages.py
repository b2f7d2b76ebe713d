"""What a worker takes from the broker, and what it does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.bodies import is_page_id
from services.queue.messages import MOST_IDS, envelope, read
from services.shared.errors import InvalidMessage
from tests.messages import ODD, foreign, message


def test_ours_are_taken() -> None:
    """A message of ids is read, also one that was on its way before."""
    assert read(message()) == ("live", ["0"])
    assert read(message(headers={"redelivered": True})) == ("live", ["0"])
    assert read(envelope("replay", ["a", "b.7"])) == ("replay", ["a", "b.7"])


def test_each_id_is_taken_once() -> None:
    """Of a message that says an id again, or holds more than ours do, some ids are taken, once."""
    many = [str(n) for n in range(MOST_IDS + 1)]

    assert read(envelope("live", ["a", "b", "a"])) == ("live", ["a", "b"])
    assert read(envelope("live", many)) == ("live", many[:MOST_IDS])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["live"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=12,
    )
)
def test_a_message_is_any_json(told: object) -> None:
    """Whatever a message holds, it tells a lane and ids of pages, or is none of ours."""
    for args in (told, [told, told], ["live", told], ["live", [told]]):
        try:
            lane, ids = read(message(json.dumps([args, {}, {}]).encode()))
        except InvalidMessage:
            continue
        assert lane in ("live", "bulk", "replay")
        assert ids
        assert all(map(is_page_id, ids))


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

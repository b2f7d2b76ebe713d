"""What a worker takes from the broker, and what it does not."""

import pytest

from services.queue.messages import problem
from tests.messages import foreign, message


def test_ours_are_taken() -> None:
    """A message of ids passes, whatever it says of lanes and ids: it is only a hint."""
    assert problem(message()) is None
    assert problem(message(b"[[], {}, {}]")) is None
    assert problem(message(headers={"redelivered": True})) is None


@pytest.mark.parametrize("stored", foreign().values(), ids=foreign())
def test_what_is_not_ours_is_refused(stored: bytes) -> None:
    """Text that is no envelope, and orders to Celery, are told from messages, in few words."""
    wrong = problem(stored)

    assert wrong
    assert len(wrong) < 150

"""When a newer copy of an article is worse than the stored one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.shared import versions

WORDS = [f"word{n}" for n in range(200)]
LONG = " ".join(WORDS)


@pytest.mark.parametrize(
    ("new", "labels", "final"),
    [
        (" ".join(WORDS[:100]), (), False),
        (" ".join(WORDS[:40]) + " read on with us", (), False),
        (" ".join(WORDS[:30]) + " ...", (), True),
        (" ".join(WORDS[:30]) + "…", (), True),
        (" ".join(WORDS[:150]), ("paywall",), True),
        ("Subscribe to read this article in full", ("paywall",), True),
    ],
)
def test_worse(new: str, labels: tuple[str, ...], final: bool) -> None:
    """A part of the text, a teaser, and what a paywall leaves are worse."""
    found = versions.worse(LONG, (), new, labels)

    assert found is not None
    assert found.final == final


@pytest.mark.parametrize(
    ("new", "labels"),
    [
        (" ".join(WORDS[:150]), ()),  # a paragraph taken out
        (LONG + " and more", ("paywall",)),  # paid for, and longer
        (" ".join(WORDS[:195]), ("paywall",)),  # paid for, and hardly shorter
        ("quite another and much shorter text " * 5, ()),
        ("no", ()),
    ],
)
def test_not_worse(new: str, labels: tuple[str, ...]) -> None:
    """A corrected, longer or rewritten text may take the place of the old one."""
    assert versions.worse(LONG, (), new, labels) is None


def test_paid_for_before_and_after() -> None:
    """Where the stored copy was behind the same paywall, the label says nothing."""
    assert versions.worse(LONG, ("paywall",), " ".join(WORDS[:150]), ("paywall",)) is None


def test_changed() -> None:
    """The fields that differ are named; the same instant in another zone does not."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    old = {"title": "a", "text": "b", "authors": ["c"], "language": "ar", "published_at": noon}
    there = noon.astimezone(timezone(timedelta(hours=3)))

    assert versions.changed(old, {**old, "published_at": there}) == []
    assert versions.changed(old, {**old, "title": None, "authors": []}) == ["title", "authors"]

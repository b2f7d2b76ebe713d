"""The alarm of rules that stop matching: heard when it is a habit, silent otherwise."""

import pytest

from services.shared.contracts import Rejection
from services.storage import Connection, connect, results, status
from tests.factories import article, page, problems_of, processed


def save(connection: Connection, *missed: tuple[str, ...] | None, source: str = "outlet") -> None:
    """Save a page of the source for each, on which these of its rules selected nothing."""
    items = []
    for number, names in enumerate(missed):
        url = f"https://{source}.example/{number}"
        raw = page(url, requested_url=url, source=source)
        items.append(processed(raw, article(url, url, rules_missed=names)))
    results.save(connection, items, 1)


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        ([("date",)] * 3, [("date", 3, 3)]),
        ([("date",)] * 2, []),
        ([("date",)] * 3 + [()] * 4, []),
        ([()] * 3 + [("author", "body")] * 4, [("author", 4, 7), ("body", 4, 7)]),
        ([None] * 5, []),
        ([None] * 30 + [("title",)] * 3, [("title", 3, 3)]),
    ],
)
def test_a_rule_that_mostly_misses_is_told(
    database_url: str, missed: list[tuple[str, ...] | None], told: list[tuple[str, int, int]]
) -> None:
    """Three misses or more, on at least half of the newest pages with rules, are a problem."""
    with connect(database_url) as connection:
        save(connection, *missed)
        found = status.read(connection).missed_rules

    assert [(one.rule, one.missed, one.pages) for one in found] == told


def test_refused_pages_count(database_url: str) -> None:
    """A body rule that misses may leave no article at all: that is heard, and said in words."""
    refused = Rejection(reason="no_text", rules_missed=("body",))
    raw = [page(str(number), source="outlet") for number in range(3)]
    with connect(database_url) as connection:
        results.save(connection, [processed(one, refused) for one in raw], 1)
        (problem,) = problems_of(status.read(connection))

    assert problem.startswith("outlet: its rule for body selected nothing on 3 of the newest 3")


def test_other_sources_are_not_blamed(database_url: str) -> None:
    """Misses are counted source by source."""
    with connect(database_url) as connection:
        save(connection, *[("date",)] * 3)
        save(connection, *[()] * 3, source="fine")
        found = status.read(connection).missed_rules

    assert [one.source for one in found] == ["outlet"]

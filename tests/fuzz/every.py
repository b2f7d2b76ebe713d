"""All targets by their names."""

from tests.fuzz import addresses, hints, lists, packed, pages, words
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (pages, lists, addresses, packed, hints, words)
    for target in module.TARGETS
}

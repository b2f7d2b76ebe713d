"""A date as a witness wrote it goes in; the dated fact, or None where it names no believable day.

Zone, language and the latest time a page can tell of are the page's, and are kept together here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from worker.fields import dates
from worker.tree import squeeze


@dataclass(frozen=True, slots=True)
class Dated:
    """An instant, the witness it is taken from, and how that wrote it."""

    instant: dates.Instant
    witness: str
    seen: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How dates are to be read: zone and language for what leaves them open, and the latest."""

    zone: tzinfo | None = None
    language: str | None = None
    latest: datetime | None = None
    #: Whether 3/4/2024 is in March; None where only the language tells.
    month_first: bool | None = None

    def parse(self, witness: str, written: str) -> Dated | None:
        """Return the date, unless it lies after the page was fetched.

        What can be read either way is read so that it does not.
        """
        for order in (self.month_first, True, False):
            instant = self._instant(written, order)
            if instant and not self._is_ahead(instant):
                return Dated(instant, witness, squeeze(written))
            if instant is None or self.month_first is not None or not dates.is_ambiguous(written):
                return None
        return None

    def _instant(self, written: str, month_first: bool | None) -> dates.Instant | None:
        zone = dates.zone_of_city(written) or self.zone
        return dates.parse(written, zone, self.language, month_first=month_first)

    def _is_ahead(self, instant: dates.Instant) -> bool:
        return self.latest is not None and instant.at > self.latest + timedelta(days=1)

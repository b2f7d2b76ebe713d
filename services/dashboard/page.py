"""Health in, the page out: HTML in which whatever strangers wrote is text and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.health import Health
from services.queue import Depth
from services.shared.settings import MIB
from services.shared.terminal import harmless
from services.storage.status import Activity, SourceActivity

#: Of more, the rest is counted: `rasid status` has all.
MOST_PROBLEMS, MOST_SOURCES = 50, 500
#: Of a longer problem so many letters.
MOST_LETTERS = 1000
#: The chart's own units; the style sheet says how large it is.
CHART_HEIGHT, BAR, GAP = 100, 8, 2
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour of the chart, its place and what it says."""

    x: int
    y: float
    height: float
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Fill:
    """How full something is; a lane has no bound of its own, but shares that of all."""

    name: str
    count: int
    most: int
    shared: bool = False

    @property
    def share(self) -> float:
        """Return how much of the bound it takes, in percent, 100 at most."""
        return round(min(1.0, self.count / self.most) * 100, 1)


def render(health: Health, refresh_s: int | None) -> bytes:
    """Return the page; it says how often it refreshes itself, where it does."""
    sources, more_sources = first(health.activity.sources) if health.activity else ([], 0)
    text = TEMPLATE.render(
        health=health,
        refresh_s=refresh_s,
        problems=[_cut(problem) for problem in health.problems[:MOST_PROBLEMS]],
        more_problems=max(0, len(health.problems) - MOST_PROBLEMS),
        fills=_fills(health.depth) if health.depth else [],
        bars=_bars(health.activity) if health.activity else [],
        sources=sources,
        more_sources=more_sources,
        disabled=sum(not s.enabled for s in health.activity.sources) if health.activity else 0,
        chart=(CHART_HEIGHT, BAR, GAP),
        rows=_rows,
    )
    return text.encode("utf-8", "replace")


def _fills(depth: Depth) -> list[Fill]:
    most = depth.max_pages
    return [
        *(Fill(f"{lane} pages", count, most, shared=True) for lane, count in depth.pages.items()),
        Fill("all pages", depth.total, most),
        Fill("MB of bodies", depth.used_bytes // MIB, max(1, depth.max_bytes // MIB)),
    ]


def _bars(activity: Activity) -> list[Bar]:
    most = max((count for _, count in activity.by_hour), default=0) or 1
    heights = [round(count / most * CHART_HEIGHT, 1) for _, count in activity.by_hour]
    return [
        Bar(number * (BAR + GAP), round(CHART_HEIGHT - height, 1), height, at, count)
        for number, ((at, count), height) in enumerate(zip(activity.by_hour, heights, strict=True))
    ]


def first(sources: Iterable[SourceActivity]) -> tuple[list[SourceActivity], int]:
    """Return those to tell of, and how many more are enabled: what is wrong, then the busiest."""
    enabled = sorted(
        (source for source in sources if source.enabled),
        key=lambda s: (not (s.failing or s.silent or s.overflowed), -s.last_day, s.name),
    )
    return enabled[:MOST_SOURCES], max(0, len(enabled) - MOST_SOURCES)


def _cut(problem: str) -> str:
    return problem if len(problem) <= MOST_LETTERS else f"{problem[:MOST_LETTERS]} …"


def _rows(counts: Mapping[str, int]) -> list[tuple[tuple[str, ...], int]]:
    return [((word,), count) for word, count in counts.items()]


def ago(since: datetime | None, now: datetime) -> str:
    """Return how long ago it was, in the largest unit."""
    if since is None:
        return "never"
    seconds = max(0.0, (now - since).total_seconds())
    return f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for unit, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _shown(value: object) -> object:
    # What is not text of strangers is the template's, escaped already.
    return harmless(value) if type(value) is str else value


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters["ago"] = ago
    made.filters["lasting"] = lasting
    made.filters["number"] = lambda count: f"{count:,}"
    made.filters["utc"] = lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC"
    made.filters["hour"] = lambda at: f"{at:%a %H:%M}"
    return made


TEMPLATE = _environment().get_template("page.html")

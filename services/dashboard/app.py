"""What is asked for goes in; the page, its style sheet, the metrics or the state comes out.

What every answer carries, errors too, is in `protocol.HEADERS`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services import health
from services.dashboard import metrics, page
from services.dashboard.latest import Latest
from services.health import Health
from services.shared.settings import Settings
from services.shared.terminal import json_line

HERE = Path(__file__).parent
#: By these names this machine asks itself.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
#: To listen to these is to listen to every address of this machine.
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened to
#: A page comes after so many seconds at the latest, with what was known before ...
WAIT_S = 3.0
#: ... and says so when the stores have not answered for this long, or what is known is so old.
LATE_S, OLD_S = 10.0, 90.0
#: An answer is kept for so many seconds at least.
KEEP_S, READY_KEEP_S = 5.0, 2.0
REFRESH_S = 15


class Dashboard:
    """The routes, and the two questions behind them: is all well, and do both stores answer."""

    def __init__(self, look: Callable[[], Health], ready: Callable[[], str]) -> None:
        """Take what asks; `ready` returns why not, or nothing."""
        # A store that is silent has cost nothing: whether it is back is soon asked again.
        self._health = Latest(look, keep_s=KEEP_S, dear=lambda now: bool(now.store and now.depth))
        self._ready = Latest(ready, keep_s=READY_KEEP_S)

    def routes(self) -> list[Route]:
        """Return all there is; each is for GET and HEAD alone."""
        return [
            Route("/", self.page),
            Route("/status.json", self.status),
            Route("/metrics", self.metrics),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/style.css", self.style),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page; with `?still` it does not refresh itself."""
        still = "still" in request.query_params
        body = await self._made(
            "still" if still else "page", lambda now: page.render(now, None if still else REFRESH_S)
        )
        headers = {} if still else {"Refresh": str(REFRESH_S)}
        return Response(body, media_type="text/html", headers=headers)

    async def status(self, _request: Request) -> Response:
        """Return what `rasid status --json` says, but no more sources than the page has."""
        body = await self._made("json", _json)
        return Response(body, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        """Return figures for Prometheus."""
        body = await self._made("metrics", metrics.render)
        return Response(body, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def healthz(self, _request: Request) -> Response:
        """Say that this process lives, whatever the stores do."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """Say whether both stores answer, and the schema is ours."""
        answer = await self._ready.get(WAIT_S)
        why = answer.value if answer else ""
        if answer is None or self._ready.waiting_s > WAIT_S:
            why = "the stores do not answer"
        return PlainTextResponse(f"{why or 'ok'}\n", 503 if why else 200)

    async def style(self, _request: Request) -> Response:
        """Return the style sheet."""
        return Response(STYLE, media_type="text/css")

    async def _made(self, kind: str, make: Callable[[Health], bytes]) -> bytes:
        """Return what is made of the newest answer, once for all who want it."""
        answer = await self._health.get(WAIT_S)
        waiting_s = self._health.waiting_s
        if answer is None:
            late = f"the stores have not answered yet, for {waiting_s:.0f} s"
            return make(Health(at=datetime.now(UTC), problems=(late,)))
        age_s = self._health.age_s
        if waiting_s > LATE_S or age_s > OLD_S:
            late = (
                f"the stores have not answered for {waiting_s:.0f} s, and what is known is "
                f"{age_s:.0f} s old: all else is of {answer.value.at:%Y-%m-%d %H:%M:%S} UTC"
            )
            return make(replace(answer.value, problems=(late, *answer.value.problems)))
        if kind not in answer.made:
            answer.made[kind] = make(answer.value)
        return answer.made[kind]


STYLE = (HERE / "style.css").read_bytes()


def make_app(settings: Settings, look: Callable[[], Health], ready: Callable[[], str]) -> Starlette:
    """Return the application, for browsers that ask for a name it goes by.

    Else any page could have its visitors' browsers ask, under a name that it lets mean 127.0.0.1.
    """
    names = [name.strip() for name in (settings.dashboard_hosts or "").split(",") if name.strip()]
    bind = settings.dashboard_bind
    own = [] if bind in WILDCARDS else [f"[{bind}]" if ":" in bind else bind]
    hosts = [*LOOPBACK, *own, *names]
    app = Starlette(
        routes=Dashboard(look, ready).routes(),
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
    )
    app.router.redirect_slashes = False
    return app


def _json(now: Health) -> bytes:
    more = 0
    if now.activity and len(now.activity.sources) > page.MOST_SOURCES:
        sources = tuple(page.first(now.activity.sources)[0])
        more = len(now.activity.sources) - len(sources)
        now = replace(now, activity=replace(now.activity, sources=sources))
    told = {**health.record(now), "more_sources": more}
    return json_line(told).encode("utf-8", "replace") + b"\n"

"""Make docs/dashboard.png: a day on which all is well but one feed.

    PYTHONPATH=. .venv/bin/python -m tests.dashboard.picture FILE [WIDTH [dark]]

With a width it is the whole page. It needs Chromium.
"""

import sys
from dataclasses import replace

from playwright.sync_api import sync_playwright

from crawler import browser as chromium
from services import health
from services.shared.settings import Settings
from services.storage.status import FailingFeed
from tests.dashboard import NOW, healthy, showing


def main(path: str, width: int = 0, scheme: str = "light") -> None:
    """Take the picture."""
    failing = FailingFeed(
        source="sada", url="https://sada.example/rss", errors_count=4, last_error="http_503"
    )
    now = healthy(failing_feeds=[failing])
    assert now.store
    assert now.activity
    sources = [replace(s, failing=int(s.name == "sada")) for s in now.activity.sources]
    now = replace(
        now,
        activity=replace(now.activity, sources=tuple(sources)),
        problems=tuple(health.problems(now.store, now.depth, None, late_s=360, now=NOW)),
    )
    with showing(now) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium._program(Settings()), args=["--no-sandbox"]
        )
        page = browser.new_page(
            viewport={"width": width or 1000, "height": 1040},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        page.goto(address + "/")
        page.screenshot(path=path, full_page=bool(width))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], int((sys.argv[2:3] or ["0"])[0]), *sys.argv[3:4])

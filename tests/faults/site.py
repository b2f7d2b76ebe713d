"""The crawled part of the pages as a site; prints its addresses and ends with its input.

python -m tests.faults.site COUNT
"""

import json
import sys

from tests.faults import pages
from tests.site import documents
from tests.site.server import Answer, serve

HTML = {"Content-Type": "text/html; charset=utf-8"}


def main(count: int) -> None:
    """Serve until the input ends."""
    with serve(hosts=pages.HOSTS) as site:
        for path, body in pages.site(count).items():
            site.answers[path] = Answer(200, HTML, body.encode())
        for number, url in enumerate(site.urls):
            listed = [url + path for path in list(pages.site(count))[number :: pages.HOSTS]]
            site.answers[f"/feed-{number}.xml"] = Answer(
                200, {"Content-Type": "application/xml"}, documents.rss(listed)
            )
        print(json.dumps(site.urls), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))

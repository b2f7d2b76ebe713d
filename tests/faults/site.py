"""The crawled part of the pages as a site; prints its addresses and ends with its input.

python -m tests.faults.site STEPS

Each line of its input, {"listed": COUNT}, says how many of the pages the feeds list from now on.
"""

import json
import sys

from tests.faults import pages
from tests.site import documents
from tests.site.server import Answer, serve

HTML = {"Content-Type": "text/html; charset=utf-8"}


def main(steps: int) -> None:
    """Serve until the input ends."""
    with serve(hosts=pages.HOSTS) as site:
        bodies = pages.site(steps)
        for path, body in bodies.items():
            site.answers[path] = Answer(200, HTML, body.encode())

        def announce(count: int) -> None:
            for number, url in enumerate(site.urls):
                listed = [url + path for path in list(bodies)[number : count : pages.HOSTS]]
                site.answers[f"/feed-{number}.xml"] = Answer(
                    200, {"Content-Type": "application/xml"}, documents.rss(listed)
                )

        announce(0)
        print(json.dumps(site.urls), flush=True)
        for line in sys.stdin:
            announce(json.loads(line)["listed"])


if __name__ == "__main__":
    main(int(sys.argv[1]))

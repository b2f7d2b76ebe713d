"""The test site: a real HTTP server on loopback, under many host names, that misbehaves on demand.

It runs in a thread of the process that asks for it; what crawls it is another process.

    from tests.site import documents, trouble
    from tests.site.server import Answer, serve

    with serve(hosts=3) as site:                    # http://127.0.0.1:PORT, and .2 and .3
        site.answers["/good"] = Answer(200, {}, b"<html><p>good")
        site.answers["/slow"] = Answer(200, {}, b"<html><p>at last", wait_s=5)
        site.answers["/busy"] = trouble.busy("120")
        site.answers["/news"] = trouble.changing(trouble.page("first"), trouble.gone())
        site.answers["/rss"] = Answer(200, {}, documents.rss([f"{site.url}/good"]))
        site.answers["/robots.txt"] = Answer(200, {}, documents.robots("/private", delay_s=2))
        ...                                         # crawl
        assert site.asked == ["/robots.txt", "/rss", "/good"]
        assert site.closest() >= 2                  # seconds between two requests to one host

`server` serves and remembers, `trouble` has answers of servers that misbehave, `documents` the
bodies of feeds, sitemaps and pages, `newspapers` many hosts full of articles.
"""

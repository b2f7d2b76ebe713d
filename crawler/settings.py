"""Rasid's settings go in; Scrapy's come out, each with its reason where the name does not tell."""

from crawler.addresses import PUBLIC_ONLY
from services.shared.settings import Settings

#: Scrapy has handlers for them, which would read files of this machine.
NO_OTHER_SCHEMES: dict[str, object] = dict.fromkeys(("data", "file", "ftp", "s3"))


def scrapy_settings(settings: Settings) -> dict[str, object]:
    """Return what differs from Scrapy's defaults."""
    return {
        "BOT_NAME": "rasid",
        "USER_AGENT": settings.user_agent,
        # --- Nothing listens: both default to on, and run any code they are sent.
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        # --- Politeness. The delay between two requests to a host is exact, not scattered:
        # the middleware sets it per host, from the source's policy.
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": 1,
        "DOWNLOAD_DELAY_JITTER": 0,
        # The frontier bounds what is in flight; here a host that waits would hold up the others.
        "CONCURRENT_REQUESTS": 0,
        # --- Every try and every redirect is the frontier's to count, and outlives the process.
        "RETRY_ENABLED": False,
        "REDIRECT_MAX_TIMES": 10,
        # News pages reload themselves with it.
        "METAREFRESH_ENABLED": False,
        # --- Safety and limits.
        "TWISTED_DNS_RESOLVER": "crawler.addresses.PublicResolver",
        PUBLIC_ONLY: settings.public_addresses_only,
        # A proxy would be connected to in place of the address that is checked.
        "HTTPPROXY_ENABLED": False,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        # Also of what a compressed body unpacks to. The default is 1 GB.
        "DOWNLOAD_MAXSIZE": settings.max_body_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_TIMEOUT": settings.fetch_timeout_s,
        # No source learns what another one set, or where we come from.
        "COOKIES_ENABLED": False,
        "REFERER_ENABLED": False,
        "DEFAULT_REQUEST_HEADERS": {
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "ar,en;q=0.8,*;q=0.5",
        },
        # Name look-ups run in this pool.
        "REACTOR_THREADPOOL_MAXSIZE": 20,
        # --- Speed: what would look at each request and find nothing to do.
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "DOWNLOADER_STATS": False,
        # --- Our parts.
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
            # Before robots.txt, whose own request needs the host's delay as well.
            "crawler.middlewares.Politeness": 50,
            # Behind all that makes a page of an answer.
            "crawler.browser.Rendering": 60,
            # Scrapy's forgets what it read, and takes a server's failure for consent.
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            "crawler.middlewares.Robots": 100,
            "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": None,
            "crawler.middlewares.Redirects": 600,
            "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
            # Its own takes the beginning of a cut body for the whole.
            "crawler.bodies.Unpacking": 590,
        },
        "DOWNLOAD_HANDLERS": {
            **NO_OTHER_SCHEMES,
            "http": "crawler.sending.Sender",
            "https": "crawler.sending.Sender",
        },
        "EXTENSIONS": {"crawler.backpressure.Backpressure": 100},
        # --- Logs: the root logger is the program's, not Scrapy's.
        "LOG_INSTALL_ROOT_HANDLER": False,
        "LOG_LEVEL": settings.log_level,
        "LOGSTATS_INTERVAL": 0,
        "STATS_DUMP": False,
    }

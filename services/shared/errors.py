"""Every exception Rasid raises on purpose, under one root.

A page that cannot become an article is not an error: it is a `Rejection`, a value.
"""


class RasidError(Exception):
    """Root of all errors below; its message is meant for a person and says what to do."""


class TransientError(RasidError):
    """Postgres or Redis cannot be reached, or refuses for now; the same work may succeed later.

    Raised by `services.storage` and `services.queue`, with the driver's error chained.
    """


class InvalidMessage(RasidError):
    """A stored raw page cannot be decoded; raised only by `page_header.decode` and `queue`."""


class InvalidSources(RasidError):
    """`sources.yaml` is not valid; the message names file, line and field."""


class InvalidUrl(RasidError, ValueError):
    """Not an http(s) address; raised by `urls.clean` and `urls.key`."""


class NotMigrated(RasidError):
    """The database's schema is older or newer than this code; raised by `storage.connect`."""


class LocalServersError(RasidError):
    """The embedded servers cannot start or be reached; raised by `services.local`."""


class PageTimeout(BaseException):
    """A page took more CPU than `page_time_limit_s`; raised inside the worker by an alarm.

    Not an Exception, so that a library's `except Exception` does not swallow it.
    """

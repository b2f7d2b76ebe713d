"""Logs: one event a unit of work, JSON in production and readable lines on a terminal."""

import logging
import sys

import structlog

from services.shared import secrets, terminal
from services.shared.settings import Settings


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger; what it prints is decided by `configure_logging`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def sign_of_life(settings: Settings) -> None:
    """Touch `alive_file`, if there is one: called wherever a process has just done its work."""
    if settings.alive_file:
        settings.alive_file.touch()


def _fit_to_print(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Return the event without secrets, and with nothing that a terminal would obey."""
    return {
        name: terminal.harmless(secrets.hidden(value)) if isinstance(value, str) else value
        for name, value in event.items()
    }


def configure_logging(settings: Settings, **bound: object) -> None:
    """Send structlog's and the standard library's events to standard error, all in one form.

    `bound` is added to each event of this process (such as process="worker").
    """
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    known = secrets.passwords(
        (settings.database_url, settings.redis_url, settings.redis_bodies_url)
    )

    def without_passwords(_logger: object, _method: str, line: object) -> str:
        return secrets.without(str(line), known)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _fit_to_print,
                render,
                without_passwords,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("celery", "kombu", "trafilatura", "htmldate", "charset_normalizer", "amqp"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))

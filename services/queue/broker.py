"""How Redis is reached: addresses, clients, the Celery application; which errors are transient."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import ExecAbortError, OutOfMemoryError, RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from services.shared.contracts import LANES
from services.shared.errors import RasidError, TransientError
from services.shared.settings import Settings

CELERY_QUEUES = {lane: f"rasid-{lane}" for lane in LANES}


def redis_url(url: str) -> str:
    """Return the address as redis-py wants it (`unix://` for a socket)."""
    return url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)


def celery_url(url: str) -> str:
    """Return the address as Celery wants it (`redis+socket://` for a socket)."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def tls(settings: Settings) -> dict[str, Any]:
    """Return how a server of `rediss://` proves who it is: by a certificate for its name."""
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_ca_certs": str(settings.redis_ca_file) if settings.redis_ca_file else None,
        "ssl_certfile": str(settings.redis_cert_file) if settings.redis_cert_file else None,
        "ssl_keyfile": str(settings.redis_key_file) if settings.redis_key_file else None,
    }


def make_celery(settings: Settings) -> Celery:
    """Return the Celery application with what producers and workers must agree on.

    Every option answers a failure that was provoked; docs/decisions.md has them.
    """
    app = Celery("rasid", broker=celery_url(settings.redis_url or ""), set_as_current=False)
    if (settings.redis_url or "").startswith("rediss://"):
        # Of itself Celery would take any certificate.
        app.conf.broker_use_ssl = tls(settings)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=CELERY_QUEUES["live"],
        worker_send_task_events=False,
        task_send_sent_event=False,
        # A lost hint costs nothing, a producer that hangs does.
        task_publish_retry=False,
        broker_connection_timeout=5,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # Above the time for which a worker may rightly hold a message.
            "visibility_timeout": max(300, int(settings.task_time_limit_s * 5)),
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "unacked_restore_limit": 100,
            "priority_steps": [0],
            "queue_order_strategy": "priority",  # live before bulk before replay
            "socket_timeout": max(2.0, settings.redis_timeout_s),
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


@contextmanager
def transient_errors() -> Iterator[None]:
    """Turn Redis' and Celery's errors into TransientError, with the cause chained."""
    try:
        yield
    except (OutOfMemoryError, ExecAbortError) as error:
        raise TransientError(
            "Redis is at its memory limit: pages must be worked off first"
        ) from error
    except (RedisError, OperationalError, OSError) as error:
        raise TransientError(f"Redis: {str(error) or type(error).__name__}") from error


def open_client(url: str, name: str, settings: Settings) -> redis.Redis:
    """Return a client of the Redis at `url`; nothing is opened yet. `name` is the setting's.

    It tries once: what was sent and not answered may have been done, and attempts count twice then.

    Raises:
        RasidError: the address is none.
    """
    try:
        return redis.Redis.from_url(
            redis_url(url),
            socket_timeout=settings.redis_timeout_s,
            socket_connect_timeout=min(settings.redis_timeout_s, 5),
            health_check_interval=10,
            retry=Retry(NoBackoff(), 0),
            # Listening for them, the pool hands out connections on which an old answer is left.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **(tls(settings) if url.startswith("rediss://") else {}),
        )
    except ValueError:
        # Without the cause: it may quote the password.
        raise RasidError(
            f"{name} is not an address like redis://:PASSWORD@HOST:6379/0; "
            "letters such as @ / : in a password are written as %40 %2F %3A"
        ) from None

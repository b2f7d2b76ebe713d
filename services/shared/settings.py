"""All settings of all processes: one frozen, typed object, read once at the entry point.

Each is an environment variable of the name given (secrets also as NAME_FILE, a file that holds the
value). Defaults work on one small machine.
"""

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.shared.errors import RasidError

MIB = 1024 * 1024
HOST_NAME = re.compile(r"(\*\.)?[\w.-]+|\[[0-9A-Fa-f:.]+\]")
SECRET_NAMES = ("DATABASE_URL", "REDIS_URL", "REDIS_BODIES_URL")


def _host_names(names: str | None) -> str | None:
    for name in (names or "").split(",") if names and names.strip() else ():
        if not HOST_NAME.fullmatch(name.strip()):
            raise ValueError(
                f"{name.strip()!r} is no name: give one, or several with commas, such as "
                "rasid.example.org,*.inside.example,192.0.2.7,[2001:db8::7]"
            )
    return names


class Settings(BaseSettings):
    """Settings of every process; see docs/ops.md for what to change when."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    # Where things are. Without them the embedded servers in `state_dir` are used.
    database_url: Annotated[str | None, Field(alias="DATABASE_URL")] = None
    redis_url: Annotated[str | None, Field(alias="REDIS_URL")] = None
    #: Redis for page bodies; by default the next database of REDIS_URL's server.
    redis_bodies_url: Annotated[str | None, Field(alias="REDIS_BODIES_URL")] = None
    #: For addresses that begin with rediss://. Who vouches for the servers (else the system says),
    #: and what a server may ask for of us: files in PEM form.
    redis_ca_file: Annotated[Path | None, Field(alias="RASID_REDIS_CA_FILE")] = None
    redis_cert_file: Annotated[Path | None, Field(alias="RASID_REDIS_CERT_FILE")] = None
    redis_key_file: Annotated[Path | None, Field(alias="RASID_REDIS_KEY_FILE")] = None
    state_dir: Annotated[Path, Field(alias="RASID_STATE")] = Path(".rasid")
    sources_file: Annotated[Path, Field(alias="RASID_SOURCES")] = Path("sources.yaml")
    #: Touched while the process does its work: what a container's health check looks at.
    alive_file: Annotated[Path | None, Field(alias="RASID_ALIVE_FILE")] = None
    log_level: Annotated[str, Field(alias="LOG_LEVEL")] = "INFO"
    log_format: Annotated[str, Field(alias="RASID_LOG_FORMAT", pattern="^(auto|json|console)$")] = (
        "auto"
    )

    # Worker.
    concurrency: Annotated[int, Field(alias="RASID_CONCURRENCY", ge=1)] = os.cpu_count() or 1
    #: Interrupts the page and makes it a dead letter (`time_limit`).
    page_time_limit_s: Annotated[float, Field(alias="RASID_PAGE_TIME_LIMIT_S", gt=0)] = 20.0
    #: Kills the process that runs a task of up to 10 pages; for code that no alarm interrupts.
    task_time_limit_s: Annotated[float, Field(alias="RASID_TASK_TIME_LIMIT_S", gt=0)] = 60.0
    page_memory_limit_mb: Annotated[int, Field(alias="RASID_PAGE_MEMORY_LIMIT_MB", ge=256)] = 1024
    max_attempts: Annotated[int, Field(alias="RASID_MAX_ATTEMPTS", ge=1)] = 3
    #: The brake: of the last so many pages (0: never) at least so many, and this share, became dead
    #: letters. Then workers take no page but one to try, after this time and ever longer ones.
    brake_pages: Annotated[int, Field(alias="RASID_BRAKE_PAGES", ge=0)] = 100
    brake_dead_letters: Annotated[int, Field(alias="RASID_BRAKE_DEAD_LETTERS", ge=1)] = 20
    brake_share: Annotated[float, Field(alias="RASID_BRAKE_SHARE", gt=0, le=1)] = 0.5
    brake_retry_s: Annotated[float, Field(alias="RASID_BRAKE_RETRY_S", gt=0)] = 60.0
    max_body_bytes: Annotated[int, Field(alias="RASID_MAX_BODY_BYTES", ge=1024)] = 20 * MIB

    # Queue: producers pause above the high-water mark until the low-water mark.
    queue_max_pages: Annotated[int, Field(alias="RASID_QUEUE_MAX_PAGES", ge=10)] = 20_000
    queue_max_mb: Annotated[int, Field(alias="RASID_QUEUE_MAX_MB", ge=16)] = 1024
    queue_max_age_s: Annotated[float, Field(alias="RASID_QUEUE_MAX_AGE_S", gt=0)] = 6 * 3600.0
    #: A page pending longer than this without a result is sent again. Above
    #: task_time_limit_s x 2, or pages still being worked on are done twice (harmless, but waste).
    requeue_after_s: Annotated[float, Field(alias="RASID_REQUEUE_AFTER_S", gt=0)] = 180.0
    reconcile_every_s: Annotated[float, Field(alias="RASID_RECONCILE_EVERY_S", gt=0)] = 15.0

    # Crawler.
    user_agent: Annotated[str, Field(alias="RASID_USER_AGENT")] = (
        "Rasid/0.1 (media monitoring; set RASID_USER_AGENT to say who runs this)"
    )
    #: Off only where the pages to crawl are on this machine: demo and tests.
    public_addresses_only: Annotated[bool, Field(alias="RASID_PUBLIC_ADDRESSES_ONLY")] = True
    fetch_timeout_s: Annotated[float, Field(alias="RASID_FETCH_TIMEOUT_S", gt=0)] = 60.0
    #: A killed crawler's hosts go to another one, or to the same one started again, after this.
    crawl_lease_s: Annotated[float, Field(alias="RASID_CRAWL_LEASE_S", gt=0)] = 60.0
    #: Chromium, for sources with `browser: true`; by default the first that is found.
    browser: Annotated[str | None, Field(alias="RASID_BROWSER")] = None
    #: Hosts one crawler works at the same time.
    crawl_hosts: Annotated[int, Field(alias="RASID_CRAWL_HOSTS", ge=1)] = 200

    # Dashboard.
    dashboard_bind: Annotated[str, Field(alias="RASID_DASHBOARD_BIND")] = "127.0.0.1"
    #: 0: any that is free.
    dashboard_port: Annotated[int, Field(alias="RASID_DASHBOARD_PORT", ge=0, le=65535)] = 8080
    #: Names, with commas, by which browsers may ask for it besides this machine's own.
    dashboard_hosts: Annotated[
        str | None, Field(alias="RASID_DASHBOARD_HOSTS"), AfterValidator(_host_names)
    ] = None

    # `rasid archive`.
    #: A folder, or an address such as s3://bucket/folder; `rasid prune` leaves bodies to it.
    archive: Annotated[str | None, Field(alias="RASID_ARCHIVE")] = None
    archive_after_days: Annotated[int, Field(alias="RASID_ARCHIVE_AFTER_DAYS", ge=1)] = 30

    # `rasid prune`. 0 keeps for ever.
    #: Bodies, which a replay or `rasid explain` needs: since a page last brought them.
    keep_captures_days: Annotated[int, Field(alias="RASID_KEEP_CAPTURES_DAYS", ge=0)] = 90
    #: Results of pages that are in no article, and what the importer refused.
    keep_pages_days: Annotated[int, Field(alias="RASID_KEEP_PAGES_DAYS", ge=0)] = 180
    #: A consumer that is away for longer has to read everything anew.
    keep_changes_days: Annotated[int, Field(alias="RASID_KEEP_CHANGES_DAYS", ge=0)] = 90

    @property
    def redis_timeout_s(self) -> float:
        """Return how long Redis is waited for: a task may wait some times before it is killed."""
        return self.task_time_limit_s / 6

    @property
    def postgres_timeout_s(self) -> float:
        """Return how long a worker waits for a statement: its page is not to be blamed for it."""
        return self.task_time_limit_s / 3

    @property
    def bodies_url(self) -> str:
        """Return where page bodies are kept: REDIS_BODIES_URL, else REDIS_URL's next database.

        Raises:
            RasidError: REDIS_URL is not set.
        """
        if self.redis_bodies_url:
            return self.redis_bodies_url
        if not self.redis_url:
            raise RasidError("REDIS_URL is not set")
        parts = urlsplit(self.redis_url)
        if parts.scheme not in ("redis", "rediss"):
            raise RasidError("REDIS_URL is not redis:// or rediss://: set REDIS_BODIES_URL as well")
        try:
            database = int(parts.path.strip("/") or 0)
        except ValueError as error:
            raise RasidError("REDIS_URL must end in a database number, such as /0") from error
        return urlunsplit(parts._replace(path=f"/{database + 1}"))


def load(**overrides: object) -> Settings:
    """Read the environment (and NAME_FILE for secrets); `overrides` win.

    Raises:
        RasidError: a value is not valid; the message names the variable.
    """
    secrets: dict[str, object] = {}
    for name in SECRET_NAMES:
        path = os.environ.get(f"{name}_FILE")
        if path and name not in os.environ:
            try:
                secrets[name.lower()] = Path(path).read_text("utf-8").strip()
            except OSError as error:
                raise RasidError(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
    try:
        return Settings(**{**secrets, **overrides})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise RasidError(f"settings: {problems}") from error

"""A compose project of its own name, on whatever docker engine there is."""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAME = f"rasid-test-{os.getpid()}"
IMAGE = "rasid:acceptance-test"
OPERATOR = f"{NAME}-operator"


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project of its own name, whose containers and volumes end with the tests."""

    #: A compose file of what is only so for the tests.
    override: Path
    #: A sources.yaml.
    sources: Path
    #: The directory of deploy/tls.yml, where that is used.
    tls: Path | None = None

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose`; return what it wrote to standard output."""
        files: tuple[str, ...] = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(self.override))
        environ = {
            "RASID_IMAGE": IMAGE,
            "RASID_SOURCES": str(self.sources),
            "RASID_DASHBOARD_PORT": "0",  # any that is free
        }
        if self.tls:
            files = (*files, "-f", str(ROOT / "deploy" / "tls.yml"))
            environ["RASID_TLS"] = str(self.tls)
        return docker("compose", "-p", NAME, *files, *arguments, environ=environ, check=check)

    def up(self, *arguments: str) -> None:
        """Start what is missing and return when all is healthy."""
        self.compose("up", "-d", "--wait", "--wait-timeout", "240", *arguments)

    def keep_operator(self) -> None:
        """Have a container of the service `rasid` stay: to start one takes seconds each time."""
        stay = ("--name", OPERATOR, "--entrypoint", "sleep", "rasid", "infinity")
        self.compose("run", "-d", "--no-deps", *stay)

    def rasid(self, *arguments: str) -> str:
        """Run a `rasid` command as an operator does."""
        # `status` ends with 1 where something is not well; what is missing shows in the answer.
        return docker("exec", OPERATOR, "rasid", *arguments, check=False)

    def status(self) -> dict[str, Any]:
        """Return `rasid status --json`."""
        status: dict[str, Any] = json.loads(self.rasid("status", "--json"))
        return status

    def waiting(self) -> int:
        """Return how many pages are in the queue, as soon as the stores can tell."""
        queue: dict[str, int] = {}

        def told() -> bool:
            with suppress(ValueError):  # no JSON: a store is away
                queue.update(self.status()["queue"])
            return bool(queue)

        until(told, "the queue can be looked at")
        return queue["live"] + queue["bulk"] + queue["replay"]

    def articles(self) -> list[dict[str, Any]]:
        """Return all stored articles."""
        return [json.loads(line) for line in self.rasid("articles", "--json").splitlines()]

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of each container, by its name without the project's."""
        ids = self.compose("ps", "-aq").split()
        found = json.loads(docker("inspect", *ids))
        return {each["Name"].removeprefix(f"/{NAME}-"): each for each in found}

    def kill(self, service: str, index: int = 1) -> None:
        """Kill every process of a container at once; nobody but the engine starts it again."""
        # Not `docker kill`, after which the engine takes it for stopped on purpose.
        kill = ("sh", "-c", "kill -9 -1")
        self.compose("exec", "-T", "--index", str(index), service, *kill, check=False)


def docker(*arguments: str, environ: Mapping[str, str] | None = None, check: bool = True) -> str:
    """Run `docker`; return what it wrote to standard output."""
    done = subprocess.run(
        [*shlex.split(os.environ.get("RASID_COMPOSE", "")), "docker", *arguments],
        cwd=ROOT,
        env=os.environ | dict(environ or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def engine_answers() -> bool:
    """Return whether there is a docker engine to work with."""
    try:
        docker("info")
    except (OSError, AssertionError, subprocess.TimeoutExpired):
        return False
    return True


def until(condition: Callable[[], bool], what: str, *, within_s: float = 120) -> None:
    """Wait for a condition, and fail with its name."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.5)

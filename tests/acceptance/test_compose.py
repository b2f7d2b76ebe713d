"""docker-compose.yml on a real engine: the image, the containers, and what killing them loses.

Slow, and it needs an engine that can build the image, so it runs where RASID_TEST_COMPOSE is set.
RASID_COMPOSE is put before `docker`, for an engine that is reached through another command.
"""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = f"rasid-test-{os.getpid()}"
IMAGE = "rasid:acceptance-test"
STORES = ("postgres", "redis-broker", "redis-bodies")
PROCESSES = ("crawler", "reconciler", "worker")
MAX_IMAGE_MB = 450
ARTICLES, SCRAPS = 1_800, 90

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("RASID_TEST_COMPOSE"),
        reason="builds an image and starts six containers: set RASID_TEST_COMPOSE=1",
    ),
]

#: Only so that the test need not wait for minutes; no promise rests on it.
HASTE = """
services:
  reconciler:
    environment: {RASID_REQUEUE_AFTER_S: "15", RASID_RECONCILE_EVERY_S: "2"}
"""


#: What befalls the containers while pages are worked off. The broker keeps nothing on disk.
STRIKES: tuple[Callable[["Project"], object], ...] = (
    lambda project: project.kill("worker", 1),
    lambda project: project.kill("redis-bodies"),
    lambda project: project.kill("worker", 2),
    lambda project: project.compose("restart", "redis-broker"),
    lambda project: project.kill("postgres"),
)


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project of its own name, whose containers and volumes end with the tests."""

    haste: Path

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose`; return what it wrote to standard output."""
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(self.haste))
        return docker("compose", "-p", PROJECT, *files, *arguments, check=check)

    def up(self, *arguments: str) -> None:
        """Start what is missing and return when all is healthy."""
        self.compose("up", "-d", "--wait", "--wait-timeout", "240", *arguments)

    def rasid(self, *arguments: str) -> str:
        """Run a `rasid` command beside the reconciler, which no test kills."""
        # `status` ends with 1 where something is not well; what is missing shows in the answer.
        return self.compose("exec", "-T", "reconciler", "rasid", *arguments, check=False)

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
        return {each["Name"].removeprefix(f"/{PROJECT}-"): each for each in found}

    def kill(self, service: str, index: int = 1) -> None:
        """Kill every process of a container at once; nobody but the engine starts it again."""
        # Not `docker kill`, after which the engine takes it for stopped on purpose.
        kill = ("sh", "-c", "kill -9 -1")
        self.compose("exec", "-T", "--index", str(index), service, *kill, check=False)


def docker(*arguments: str, check: bool = True) -> str:
    """Run `docker`; return what it wrote to standard output."""
    done = subprocess.run(
        [*shlex.split(os.environ.get("RASID_COMPOSE", "")), "docker", *arguments],
        cwd=ROOT,
        env=os.environ | {"RASID_IMAGE": IMAGE, "RASID_SOURCES": str(ROOT / "sources.yaml")},
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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All services, healthy, from an image built of this tree; gone afterwards."""
    if not engine_answers():
        pytest.skip("no docker engine answers: `docker info` fails")
    haste = tmp_path_factory.mktemp("compose") / "haste.yml"
    haste.write_text(HASTE, "utf-8")
    project = Project(haste)
    try:
        project.compose("build", "--quiet")
        project.up()
        yield project
    finally:
        print(project.compose("logs", "--tail", "20", check=False))
        project.compose("--profile", "*", "down", "-v", "--remove-orphans", "-t", "5", check=False)
        docker("image", "rm", IMAGE, check=False)


def test_everything_starts_healthy_from_nothing(project: Project) -> None:
    """One command, no preparation: stores and processes are healthy, one-shots ended well."""
    containers = project.containers()

    for name in (*STORES, *PROCESSES):
        assert containers[f"{name}-1"]["State"]["Health"]["Status"] == "healthy", name
        assert containers[f"{name}-1"]["RestartCount"] == 0, name
    for name in ("secrets", "migrate"):
        assert containers[f"{name}-1"]["State"]["ExitCode"] == 0, name


def test_the_importer_fills_postgres_from_seeds(project: Project) -> None:
    """The five seeds are five articles when the command returns; a second time changes nothing."""
    seeds = sorted(f"seeds/{path.name}" for path in (ROOT / "seeds").glob("*.txt"))
    assert len(seeds) == 5

    for _ in range(2):
        project.compose("run", "--rm", "-T", "importer")
        articles = project.articles()

        assert sorted(article["origin"] for article in articles) == seeds
        assert all(article["title"] and article["text"] for article in articles)


@pytest.mark.parametrize("service", [*STORES, *PROCESSES])
def test_a_container_has_no_rights(project: Project, service: str) -> None:
    """It is not root, has no capability, cannot write its root, publishes nothing, is bounded."""
    seen = project.compose(
        *("exec", "-T", service, "sh", "-c"),
        "id -u; touch /rasid 2>&1; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status",
    ).splitlines()
    host = project.containers()[f"{service}-1"]["HostConfig"]

    assert seen[0] != "0"
    assert "Read-only file system" in seen[1]
    assert [line.split()[1] for line in seen[2:]] == ["0" * 16, "1"]
    assert not host["PortBindings"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"]["max-size"]


def test_only_the_crawler_has_a_way_out(project: Project) -> None:
    """A default route exists in the crawler's container and in no other."""
    for service in (*STORES, *PROCESSES):
        routes = project.compose("exec", "-T", service, "cat", "/proc/net/route").splitlines()
        default = [line for line in routes if line.split()[1] == "00000000"]

        assert bool(default) == (service == "crawler"), service


def test_passwords_are_in_files_alone(project: Project) -> None:
    """What the engine tells of containers and image holds none of the passwords."""
    read = "cat /run/secrets/*_password"
    passwords = project.compose("exec", "-T", "worker", "sh", "-c", read).split()
    known = json.dumps(project.containers()) + docker("image", "inspect", IMAGE)

    assert len(set(passwords)) == 4
    assert all(len(password) >= 32 for password in passwords)
    assert not [password for password in passwords if password in known]


def test_stores_refuse_whoever_has_no_password(project: Project) -> None:
    """Neither Redis nor Postgres answers a client that does not know its password."""
    for service in ("redis-broker", "redis-bodies"):
        assert "NOAUTH" in project.compose("exec", "-T", service, "redis-cli", "dbsize")
    over_tcp = ("psql", "-w", "-h", "postgres", "-U", "rasid", "-c", "select 1")
    assert "1 row" not in project.compose("exec", "-T", "postgres", *over_tcp, check=False)


def test_the_image_is_small(project: Project) -> None:  # noqa: ARG001 - it is built there
    """One image for all processes stays below its bound."""
    assert int(docker("image", "inspect", "-f", "{{.Size}}", IMAGE)) < MAX_IMAGE_MB * 1e6


def test_passwords_can_be_changed(project: Project) -> None:
    """The three commands of deploy/README.md, and everything is healthy with other passwords."""
    read = ("exec", "-T", "worker", "cat", "/run/secrets/database_url")
    before = project.compose(*read)

    project.compose("run", "--rm", "-T", "secrets", "--new")
    project.compose(
        *("exec", "-T", "postgres", "psql", "-U", "postgres", "-qf"),
        "/usr/share/rasid/set-password.sql",
    )
    project.up("--force-recreate")

    assert project.compose(*read) != before
    project.compose("run", "--rm", "-T", "importer")
    assert len(project.articles()) == 5


def test_killing_anything_loses_nothing(project: Project, tmp_path: Path) -> None:
    """Workers, both Redis and Postgres fall one after another; each page ends as one result."""
    pages = tmp_path / "pages.jsonl"
    pages.write_text("".join(map(line_of, range(ARTICLES + SCRAPS))), "utf-8")
    before = project.status()
    project.up("--scale", "worker=2")

    mount = f"{pages}:/data/pages.jsonl:ro"
    importer = ("run", "--rm", "-T", "-v", mount, "importer", "import", "--no-wait", "/data")
    project.compose(*importer)
    left = [project.waiting()]
    for strike in STRIKES:
        strike(project)
        left.append(project.waiting())
    until(lambda: project.waiting() == 0, "the queue is empty", within_s=300)

    # Struck in the middle, or this would prove nothing.
    assert 0 < left[-1] < left[0] <= ARTICLES + SCRAPS, left
    stored = [a["url"] for a in project.articles() if a["url"].startswith("https://news.")]
    after = project.status()
    assert sorted(stored) == sorted(map(url_of, range(ARTICLES)))
    assert count(after) == count(before) + ARTICLES + SCRAPS
    assert count(after, "rejected") == count(before, "rejected") + SCRAPS
    assert not after["dead_letters"]
    containers = project.containers()
    for name in ("worker-1", "worker-2", "redis-bodies-1", "postgres-1"):
        assert containers[name]["RestartCount"] >= 1, name
    project.up("--scale", "worker=2")


def count(status: dict[str, Any], *names: str) -> int:
    """Return the number of pages with these outcomes, or with any."""
    outcomes: dict[str, dict[str, int]] = status["outcomes"]
    return sum(sum(outcomes.get(name, {}).values()) for name in names or outcomes)


def url_of(number: int) -> str:
    """Return the address of a made-up page."""
    return f"https://news.example.com/2026/11/21/story-{number}"


def line_of(number: int) -> str:
    """Return a made-up page as a line for the importer; the last ones are no articles."""
    if number >= ARTICLES:
        html = f"<html><body><p>Page {number} is empty.</p></body></html>"
    else:
        paragraphs = "".join(
            f"<p>Paragraph {part} of story {number}: the council of district {number * part} met "
            f"on the {part + 1}th floor and agreed, after {number + part} hours of talks, that "
            f"road {number}-{part} should be rebuilt before the winter, said its speaker.</p>"
            for part in range(60)
        )
        html = (
            f"<html lang=en><head><title>Story number {number}</title></head><body><article>"
            f"<h1>Story number {number}</h1>{paragraphs}</article></body></html>"
        )
    page = {"url": url_of(number), "html": html, "fetched_at": "2026-11-21T12:00:00Z"}
    return json.dumps(page) + "\n"

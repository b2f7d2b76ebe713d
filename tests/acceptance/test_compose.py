"""docker-compose.yml on a real engine: the image, the containers, and what killing them loses.

Slow, and it needs an engine that can build the image, so it runs where RASID_TEST_COMPOSE is set.
RASID_COMPOSE is put before `docker`, for an engine that is reached through another command.
"""

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.compose_project import (
    IMAGE,
    NAME,
    OPERATOR,
    ROOT,
    Project,
    docker,
    engine_answers,
    until,
)

STORES = ("postgres", "redis-broker", "redis-bodies")
PROCESSES = ("crawler", "dashboard", "reconciler", "worker")
#: Run, do their work and end.
ONCE = ("secrets", "roles", "migrate", "importer", "rasid")
#: What is published: to the host's own address alone.
PUBLISHED = {"dashboard": "8080/tcp"}
PROMETHEUS = "prom/prometheus:v3.5.0"
MAX_IMAGE_MB = 500  # 160 of it are the base, 67 DuckDB, which writes Parquet
ARTICLES, SCRAPS = 1_800, 90

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("RASID_TEST_COMPOSE"),
        reason="builds an image and starts seven containers: set RASID_TEST_COMPOSE=1",
    ),
]

#: A site to crawl, on the network that leads to the internet; and some haste, so that the test need
#: not wait for minutes.
OVERRIDE = """
services:
  site:
    image: ${RASID_IMAGE}
    pull_policy: never
    entrypoint: [python, -m, http.server, "8000", --directory, /site]
    volumes: ["SITE:/site:ro"]
    networks: [front]
  crawler:
    environment: {RASID_PUBLIC_ADDRESSES_ONLY: "false"}
  reconciler:
    environment: {RASID_REQUEUE_AFTER_S: "15", RASID_RECONCILE_EVERY_S: "2"}
"""
SOURCES = """
sources:
  - name: test-site
    title: A site of three stories
    home_page: http://site:8000/
    crawl: {delay_s: 0.1}
    feeds:
      - url: http://site:8000/feed.xml
"""
STORIES = 3

#: What befalls the containers while pages are worked off. The broker keeps nothing on disk.
STRIKES: tuple[Callable[[Project], object], ...] = (
    lambda project: project.kill("worker", 1),
    lambda project: project.kill("redis-bodies"),
    lambda project: project.kill("worker", 2),
    lambda project: project.compose("restart", "redis-broker"),
    lambda project: project.kill("postgres"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All services, healthy, from an image built of this tree; gone afterwards."""
    if not engine_answers():
        pytest.skip("no docker engine answers: `docker info` fails")
    folder = tmp_path_factory.mktemp("compose")
    site = folder / "site"
    make_site(site)
    (folder / "sources.yaml").write_text(SOURCES, "utf-8")
    (folder / "override.yml").write_text(OVERRIDE.replace("SITE", str(site)), "utf-8")
    project = Project(folder / "override.yml", folder / "sources.yaml")
    try:
        docker("image", "rm", IMAGE, check=False)  # left by a run that was killed
        project.up()
        project.keep_operator()
        yield project
    finally:
        print(project.compose("logs", "--tail", "20", check=False))
        docker("rm", "-f", OPERATOR, check=False)
        project.compose("--profile", "*", "down", "-v", "--remove-orphans", "-t", "5", check=False)
        docker("image", "rm", IMAGE, check=False)


def test_everything_starts_healthy_from_nothing(project: Project) -> None:
    """One command, no preparation: stores and processes are healthy, one-shots ended well."""
    containers = project.containers()

    for name in (*STORES, *PROCESSES):
        assert containers[f"{name}-1"]["State"]["Health"]["Status"] == "healthy", name
        assert containers[f"{name}-1"]["RestartCount"] == 0, name
    for name in ("secrets", "roles", "migrate"):
        assert containers[f"{name}-1"]["State"]["ExitCode"] == 0, name


def test_the_crawler_fills_postgres_from_a_site(project: Project) -> None:
    """Each story that a source's feed lists becomes an article, with nothing done by hand."""
    urls = [f"http://site:8000/{number}.html" for number in range(STORIES)]

    def found() -> list[str]:
        return sorted(a["url"] for a in project.articles() if a["source"] == "test-site")

    until(lambda: len(found()) >= STORIES, "the stories are articles")
    assert found() == urls


def test_the_importer_fills_postgres_from_seeds(project: Project) -> None:
    """The five seeds are five articles when the command returns; a second time changes nothing."""
    seeds = sorted(f"seeds/{path.name}" for path in (ROOT / "seeds").glob("*.txt"))
    assert len(seeds) == 5

    for _ in range(2):
        project.compose("run", "--rm", "-T", "importer")
        articles = [a for a in project.articles() if a["origin"].startswith("seeds/")]

        assert sorted(article["origin"] for article in articles) == seeds
        assert all(article["title"] and article["text"] for article in articles)


@pytest.fixture
def container(project: Project, service: str) -> Iterator[str]:
    """The id of a service's container; of one that ends at once, or is not started, one stays."""
    if service in (*STORES, *PROCESSES):
        yield project.compose("ps", "-q", service).split()[0]
        return
    if service == "prometheus" and not docker("image", "ls", "-q", PROMETHEUS):
        pytest.skip(f"{PROMETHEUS} is not there")
    name = f"{NAME}-{service}-stays"
    stay = ("--name", name, "--entrypoint", "sleep", service, "600")
    project.compose("run", "-d", "--no-deps", *stay)
    yield name
    docker("rm", "-f", name)


@pytest.mark.parametrize("service", [*STORES, *PROCESSES, *ONCE, "prometheus"])
def test_a_container_has_no_rights(container: str, service: str) -> None:
    """It is not root, has no capability, cannot write its root, publishes nothing, is bounded."""
    look = "id -u; touch /rasid 2>&1; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"
    seen = docker("exec", container, "sh", "-c", look).splitlines()
    (inspected,) = json.loads(docker("inspect", container))
    host = inspected["HostConfig"]

    assert seen[0] != "0"
    assert "Read-only file system" in seen[1]
    assert [line.split()[1] for line in seen[2:]] == ["0" * 16, "1"]
    published = [(port, b["HostIp"]) for port, bs in host["PortBindings"].items() for b in bs]
    assert published == ([(PUBLISHED[service], "127.0.0.1")] if service in PUBLISHED else [])
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert all(m["Name"].startswith(NAME) for m in inspected["Mounts"] if m["Type"] == "volume")
    assert host["LogConfig"]["Config"]["max-size"]


def test_all_ports_are_of_loopback(project: Project) -> None:
    """The file publishes the dashboard and Prometheus, neither to others than this machine."""
    told = json.loads(project.compose("--profile", "*", "config", "--format", "json"))
    ports = {name: service.get("ports", []) for name, service in told["services"].items()}

    assert {name for name, published in ports.items() if published} == {*PUBLISHED, "prometheus"}
    assert {port["host_ip"] for published in ports.values() for port in published} == {"127.0.0.1"}
    assert set(told["services"]["prometheus"]["networks"]) == {"publish"}
    assert set(ports) == {*STORES, *PROCESSES, *ONCE, "prometheus", "site"}


def test_only_the_crawler_has_a_way_out(project: Project) -> None:
    """A default route exists there, and in what is published, to which no answer finds back."""
    for service in (*STORES, *PROCESSES):
        routes = project.compose("exec", "-T", service, "cat", "/proc/net/route").splitlines()
        default = [line for line in routes if line.split()[1] == "00000000"]

        assert bool(default) == (service in {"crawler", *PUBLISHED}), service
    (network,) = json.loads(docker("network", "inspect", f"{NAME}_publish"))
    assert network["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    attached = {one["Name"] for one in network["Containers"].values()}
    assert attached == {f"{NAME}-{service}-1" for service in PUBLISHED}


#: What becomes of names that a container asks for: an address, or the resolver's error.
LOOK_UP = """
import socket, sys
for name in sys.argv[1:]:
    try:
        socket.getaddrinfo(name, 80)
        print("found")
    except socket.gaierror as error:
        print("not asked" if error.errno == socket.EAI_AGAIN else "asked")
"""


def test_the_engine_asks_no_name_outside_for_what_is_published(project: Project) -> None:
    """The dashboard finds the stores; no name goes out, which could carry what it knows."""
    look_up = ("python", "-c", LOOK_UP, *STORES, "example.com")
    told = project.compose("exec", "-T", "dashboard", *look_up).split("\n")[:-1]
    services = json.loads(project.compose("--profile", "*", "config", "--format", "json"))
    named = {
        name for name, one in services["services"].items() if "publish" in one.get("networks", ())
    }

    assert told == ["found", "found", "found", "not asked"]
    assert named == {"dashboard", "prometheus"}
    assert {tuple(services["services"][name]["dns"]) for name in named} == {("127.0.0.1",)}


def test_the_dashboard_is_published(project: Project) -> None:
    """On loopback, with a policy that runs nothing; it reads both stores by logins of its own."""
    address = "http://" + project.compose("port", "dashboard", "8080").strip()
    with urllib.request.urlopen(f"{address}/", timeout=30) as answer:
        page, headers = answer.read().decode(), answer.headers
    with urllib.request.urlopen(f"{address}/status.json", timeout=30) as answer:
        told = json.load(answer)
    with urllib.request.urlopen(f"{address}/readyz", timeout=30) as answer:
        ready = answer.status
    log = project.compose("logs", "dashboard")

    assert address.startswith("http://127.0.0.1:")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "· Rasid</title>" in page
    assert (told["problems"], told["well"], ready) == ([], True, 200)
    assert set(told["queue"]) == {"live", "bulk", "replay"}
    assert "Traceback" not in log


def test_alarms(project: Project) -> None:
    """Prometheus takes its configuration, and each alarm comes when it should and not before."""
    if not docker("image", "ls", "-q", PROMETHEUS):
        pytest.skip(f"{PROMETHEUS} is not there")
    promtool = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "promtool", "prometheus")
    told = project.compose(*promtool, "check", "config", "/etc/prometheus/prometheus.yml")
    told += project.compose(*promtool, "test", "rules", "/etc/prometheus/rules-test.yml")

    assert "SUCCESS: 12 rules found" in told
    assert "FAILED" not in told


def passwords(project: Project) -> dict[str, str]:
    """Return all passwords by their files, as the service that makes them sees them."""
    read = "cd /run/secrets; for f in */*_password; do echo $f $(cat $f); done"
    found = project.compose("run", "--rm", "-T", "--entrypoint", "sh", "secrets", "-c", read)
    return dict(line.split() for line in found.splitlines())


def test_passwords_are_in_files_alone(project: Project) -> None:
    """Engine, image, titles of processes and logs hold none of the passwords."""
    secrets = passwords(project)
    known = json.dumps(project.containers()) + docker("image", "inspect", IMAGE)
    known += project.compose("logs")
    for service in (*STORES, *PROCESSES):
        titles = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        known += project.compose("exec", "-T", service, "sh", "-c", titles)

    assert len(set(secrets.values())) == len(secrets) == 16
    assert all(len(password) >= 32 for password in secrets.values())
    assert "redis-server" in known
    assert [name for name, password in secrets.items() if password in known] == []


def test_a_container_sees_its_own_passwords(project: Project) -> None:
    """Whoever takes over a container has learned no password of another process."""
    secrets = passwords(project)
    for service in (*PROCESSES, "redis-broker", "redis-bodies"):
        read = "find /run/secrets -type f -exec cat {} +"
        seen = project.compose("exec", "-T", service, "sh", "-c", read)

        found = {name.partition("/")[0] for name, word in secrets.items() if word in seen}
        # A Redis knows who may log in; what it holds is theirs anyway.
        others = {"crawler", "importer", "worker", "reconciler", "operator", "dashboard"}
        assert found - (others if service.startswith("redis") else set()) == {service}


#: What a program in the crawler's container tries, with all that it finds there.
INTRUDER = """
import pathlib, psycopg, redis
read = lambda name: pathlib.Path("/run/secrets", name).read_text().strip()
bodies, broker = (redis.Redis.from_url(read(f)) for f in ("redis_bodies_url", "redis_url"))
database = psycopg.connect(read("database_url"), autocommit=True)
# Under the id of a page the reconciler would find it, and a worker make a dead letter of it.
bodies.setnx("rasid:body:not.an.id", "x")
assert database.execute("select count(*) from rasid.links").fetchone()
tries = {
    "read a body": lambda: bodies.get("rasid:body:not.an.id"),
    "change a body": lambda: bodies.set("rasid:body:not.an.id", "y"),
    "let a body expire": lambda: bodies.set("rasid:body:not.an.id", "x", px=1),
    "remove a body": lambda: bodies.delete("rasid:body:not.an.id"),
    "remove what waits": lambda: bodies.zrem("rasid:pending:live", "mine"),
    "see all keys": lambda: bodies.keys("*"),
    "empty a store": lambda: broker.flushall(),
    "take a task": lambda: broker.brpop(["rasid-live"], 1),
    "get a copy of each hint": lambda: broker.sadd("_kombu.binding.rasid-live", "mine"),
    "add a user": lambda: broker.acl_setuser("mine", enabled=True),
    "set a setting": lambda: bodies.config_set("maxmemory", 0),
    "read a text": lambda: database.execute("select text from rasid.articles"),
    "write an article": lambda: database.execute("update rasid.articles set text = ''"),
    "make a table": lambda: database.execute("create table public.mine ()"),
}
for name, attempt in tries.items():
    try:
        attempt()
        print("could", name)
    except (psycopg.errors.InsufficientPrivilege, redis.exceptions.NoPermissionError):
        print("refused", name)
"""


def test_a_stolen_crawler_reads_and_removes_nothing(project: Project) -> None:
    """With the crawler's own passwords pages can be added, but none read, changed or removed."""
    told = project.compose("exec", "-T", "crawler", "python", "-c", INTRUDER).splitlines()
    docker("exec", OPERATOR, "python", "-c", FORGET)

    assert len(told) == 14
    assert [line for line in told if not line.startswith("refused")] == []


#: What a program in the container of `rasid migrate` tries: to leave its database for the server.
OWNER = """
import pathlib, psycopg
database = psycopg.connect(pathlib.Path("/run/secrets/database_url").read_text().strip(),
                           autocommit=True)
roles = "rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
mighty = f"select rolname from pg_roles where ({roles}) and rolname !~ '^pg_'"
print([name for (name,) in database.execute(mighty)])
for attempt in (
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('/')",
    "select lo_import('/etc/passwd')",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/mine'",
    "create temporary table mine (line text); copy mine from '/etc/passwd'",
    "create role mine",
    "create database mine",
    "alter role rasid superuser",
    "set role postgres",
    "grant pg_execute_server_program to rasid",
    "alter system set archive_command = 'true'",
    "create extension file_fdw",
    "create function mine() returns int language c as '/tmp/mine'",
    "select passwd from pg_shadow",
):
    try:
        database.execute(attempt)
        print("could", attempt)
    except psycopg.errors.InsufficientPrivilege:
        print("refused")
"""


def test_the_owner_is_nobody_on_the_server(project: Project) -> None:
    """With the owner's password the database is taken, and no file, program or role beyond it."""
    run = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "python", "migrate", "-c", OWNER)
    told = project.compose(*run).splitlines()

    assert told == ["['postgres']", *["refused"] * 15]


#: What the intruder left.
FORGET = """
import pathlib, redis
url = pathlib.Path("/run/secrets/redis_bodies_url").read_text().strip()
redis.Redis.from_url(url).delete("rasid:body:not.an.id")
"""


def test_stores_refuse_whoever_has_no_password(project: Project) -> None:
    """Neither Redis nor Postgres answers a client that does not know its password."""
    for service in ("redis-broker", "redis-bodies"):
        assert "NOAUTH" in project.compose("exec", "-T", service, "redis-cli", "dbsize")
    over_tcp = ("psql", "-w", "-h", "postgres", "-U", "rasid", "-c", "select 1")
    assert "1 row" not in project.compose("exec", "-T", "postgres", *over_tcp, check=False)
    assert "1 row" in project.compose(
        "exec", "-T", "postgres", "psql", "-U", "postgres", *over_tcp[-2:]
    )


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
        "/usr/share/rasid/roles.sql",
    )
    project.up("--force-recreate")

    assert project.compose(*read) != before
    project.compose("run", "--rm", "-T", "importer")
    assert len(project.articles()) == 5 + STORIES


def test_killing_anything_loses_nothing(project: Project, tmp_path: Path) -> None:
    """Workers, both Redis and Postgres fall at once; each page ends as one result."""
    pages = tmp_path / "pages.jsonl"
    pages.write_text("".join(map(line_of, range(ARTICLES + SCRAPS))), "utf-8")
    before = project.status()
    project.up("--scale", "worker=2")

    mount = f"{pages}:/data/pages.jsonl:ro"
    importer = ("run", "--rm", "-T", "-v", mount, "importer", "import", "--no-wait", "/data")
    project.compose(*importer)
    left = [project.waiting()]
    with ThreadPoolExecutor(len(STRIKES)) as pool:
        # Each takes seconds: one after the other they would come when all is done.
        for struck in [pool.submit(strike, project) for strike in STRIKES]:
            struck.result()
    left.append(project.waiting())
    until(lambda: project.waiting() == 0, "the queue is empty", within_s=300)

    stored = [a["url"] for a in project.articles() if a["url"].startswith("https://news.")]
    after = project.status()
    assert sorted(stored) == sorted(map(url_of, range(ARTICLES)))
    assert count(after) == count(before) + ARTICLES + SCRAPS
    assert count(after, "rejected") == count(before, "rejected") + SCRAPS
    assert not after["dead_letters"], project.rasid("dead-letters", "list", "--json")
    containers = project.containers()
    for name in ("worker-1", "worker-2", "redis-bodies-1", "postgres-1"):
        assert containers[name]["RestartCount"] >= 1, name
    # Struck in the middle, or this would prove nothing.
    assert 0 < left[-1] < left[0] <= ARTICLES + SCRAPS, left
    project.up("--scale", "worker=2")


#: What a program in the worker's container tries: to speak without TLS, and without the authority.
STRANGER = """
import pathlib, os, redis
for name in ("redis_url", "redis_bodies_url"):
    url = pathlib.Path("/run/secrets", name).read_text().strip()
    known = redis.Redis.from_url(url, ssl_ca_certs=os.environ["RASID_REDIS_CA_FILE"])
    print(url.partition(":")[0], known.ping())
    for stranger in (redis.Redis.from_url(url), redis.Redis.from_url("redis" + url[6:])):
        try:
            print("let in", stranger.ping())
        except redis.ConnectionError as error:
            print("refused")
"""


def test_redis_over_tls(project: Project, tmp_path: Path) -> None:
    """With deploy/tls.yml and certificates as docs/security.md has them pages go over TLS alone."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    (commands,) = re.findall(r"^```sh tls\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    pages = tmp_path / "pages.jsonl"
    page = {"url": url_of(20_000), "html": html_of(20_000), "fetched_at": "2026-11-21T12:00:00Z"}
    pages.write_text(json.dumps(page) + "\n", "utf-8")
    tls = replace(project, tls=tmp_path / "tls")

    tls.up("--scale", "worker=1")
    importer = ("run", "--rm", "-T", "-v", f"{pages}:/data/pages.jsonl:ro", "importer", "import")
    tls.compose(*importer, "--wait", "/data")
    tried = tls.compose("exec", "-T", "worker", "python", "-c", STRANGER).splitlines()

    assert tried == ["rediss True", "refused", "refused"] * 2
    assert url_of(20_000) in [article["url"] for article in project.articles()]


def count(status: dict[str, Any], *names: str) -> int:
    """Return the number of pages with these outcomes, or with any."""
    outcomes: dict[str, dict[str, int]] = status["outcomes"]
    return sum(sum(outcomes.get(name, {}).values()) for name in names or outcomes)


def url_of(number: int) -> str:
    """Return the address of a made-up page."""
    return f"https://news.example.com/2026/11/21/story-{number}"


def html_of(number: int) -> str:
    """Return a made-up article."""
    paragraphs = "".join(
        f"<p>Paragraph {part} of story {number}: the council of district {number * part} met "
        f"on the {part + 1}th floor and agreed, after {number + part} hours of talks, that "
        f"road {number}-{part} should be rebuilt before the winter, said its speaker.</p>"
        for part in range(60)
    )
    return (
        f"<html lang=en><head><title>Story number {number}</title></head><body><article>"
        f"<h1>Story number {number}</h1>{paragraphs}</article></body></html>"
    )


def line_of(number: int) -> str:
    """Return a made-up page as a line for the importer; the last ones are no articles."""
    scrap = f"<html><body><p>Page {number} is empty.</p></body></html>"
    html = html_of(number) if number < ARTICLES else scrap
    page = {"url": url_of(number), "html": html, "fetched_at": "2026-11-21T12:00:00Z"}
    return json.dumps(page) + "\n"


def make_site(folder: Path) -> None:
    """Write a site of a feed and the stories it lists, other ones than the importer's."""
    folder.mkdir(mode=0o755)
    items = ""
    for number in range(STORIES):
        (folder / f"{number}.html").write_text(html_of(10_000 + number), "utf-8")
        items += f"<item><link>http://site:8000/{number}.html</link></item>"
    feed = f"<rss version='2.0'><channel><title>Stories</title>{items}</channel></rss>"
    (folder / "feed.xml").write_text(feed, "utf-8")

"""What the repository promises about itself: locks that fit, and files that tell of no machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("requirements.lock", "requirements-local.lock", "requirements-dev.lock")
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)(.*)$", re.MULTILINE)
#: Written apart, so that this file passes its own test.
HOSTS = ("py" + "pi.org", "python" + "hosted", "npm" + "js.org", "static.crates" + ".io")
HOMES = (" /wo" + "rk/", '"/wo' + "rk/", "/Us" + "ers/", "/ro" + "ot/.pyenv")


def lock(name: str) -> dict[str, list[Version]]:
    """Return the versions of each package; a package may have one for each platform."""
    versions: dict[str, list[Version]] = {}
    for package, version, _ in PINNED.findall((ROOT / name).read_text("utf-8")):
        versions.setdefault(canonicalize_name(package), []).append(Version(version))
    return versions


def requirements(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, where this lock has to answer it."""
    project = PROJECT["project"]
    wanted = list(project["dependencies"])
    if name != "requirements.lock":
        wanted += project["optional-dependencies"]["local"]
    if name == "requirements-dev.lock":
        wanted += PROJECT["dependency-groups"]["dev"]
    return [Requirement(text) for text in wanted]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_fit_the_project(name: str) -> None:
    """Every requirement is locked at versions it allows; else run deploy/lock."""
    versions = lock(name)
    wrong = [
        str(wanted)
        for wanted in requirements(name)
        if not versions.get(canonicalize_name(wanted.name))
        or not all(map(wanted.specifier.contains, versions[canonicalize_name(wanted.name)]))
    ]

    assert wrong == []


def test_locks_agree() -> None:
    """The smaller locks are part of the larger ones, version for version."""
    smaller, larger, largest = map(lock, LOCKS)

    assert smaller.items() <= larger.items() <= largest.items()


@pytest.mark.parametrize("name", [*LOCKS, "requirements-uv.lock"])
def test_locks_are_complete(name: str) -> None:
    """Every package has hashes, and no line names an index or a place on a disk."""
    text = (ROOT / name).read_text("utf-8")
    entries = re.findall(r"^\S+==.*(?:\n {4}.*)*", text, re.MULTILINE)

    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert (
        re.findall(r"^\s*(?:--?(?:extra-)?index|--find-links|-f ).*|file:.*", text, re.MULTILINE)
        == []
    )


def test_files_name_no_machine() -> None:
    """No tracked file holds a path of somebody's machine or the host of a package registry."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    tracked = subprocess.run(git, capture_output=True, text=True, check=False).stdout.split("\0")
    words = re.compile("|".join(map(re.escape, (*HOSTS, *HOMES))).encode())
    found = [
        f"{name}: {match.group().decode()}"
        for name in filter(None, tracked)
        if not name.startswith("tests/pages/") and (ROOT / name).is_file()
        for match in words.finditer((ROOT / name).read_bytes())
    ]

    assert found == []


#: Migrations that replace functions of earlier ones, and take the same locks.
REPLACES = {"0017_feed_timeline.sql": "0003_changes.sql", "0019_ids.sql": "0003_changes.sql"}
#: Who waits for another on purpose: a purge for what is being published, who gives ids for a purge.
WAITS = {("0014_purge.sql", "7216381540393"), ("0019_ids.sql", "7216381540412")}


def test_each_lock_has_a_number_of_its_own() -> None:
    """Two that share the number of an advisory lock would wait for each other without a reason."""
    places: dict[str, set[str]] = {}
    for path in (ROOT / "services/storage").rglob("*.sql"):
        for number in re.findall(r"\b72163815\d{5}\b", path.read_text("utf-8")):
            if (path.name, number) not in WAITS:
                places.setdefault(number, set()).add(REPLACES.get(path.name, path.name))

    assert len(places) > 5
    assert {number: names for number, names in places.items() if len(names) > 1} == {}

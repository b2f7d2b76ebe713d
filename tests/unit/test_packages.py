"""Packages we are made of: what can be told of them without a network."""

import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
ADVISORIES = tomllib.loads((HERE / "advisories.toml").read_text("utf-8"))
#: Words of licences that ask nothing of who runs or passes on our code but to keep their text. The
#: LGPL and the MPL ask more of who changes the package itself, which we do not.
ALLOWED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|ZPL|0BSD|Zlib|CC0|CNRI"
)


def locked(name: str) -> list[tuple[str, str]]:
    return PINNED.findall((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize("name", LOCKS)
def test_no_locked_version_is_known_to_be_vulnerable(name: str) -> None:
    """No lock goes back behind a version that mended a weakness we know of."""
    packages = locked(name)
    known = {
        package: f"{version}: {advisory['id']}, {advisory['what']}"
        for package, version in packages
        if (advisory := ADVISORIES.get(canonicalize_name(package)))
        and Version(version) < Version(advisory["mended"])
    }

    assert packages
    assert known == {}


def test_the_list_is_of_packages_we_use() -> None:
    """Each entry is about a package of a lock, and names an advisory."""
    used = {canonicalize_name(package) for name in LOCKS for package, _ in locked(name)}

    assert set(ADVISORIES) <= used
    assert all(re.fullmatch(r"(CVE|GHSA|PYSEC)-[\w-]+", one["id"]) for one in ADVISORIES.values())


def licence(package: str) -> str | None:
    """Return what an installed package says of its licence; None where it is not installed."""
    try:
        found = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    classifiers = [text for text in found.get_all("Classifier", []) if text.startswith("License")]
    names = (found.get_all("License-Expression"), classifiers, found.get_all("License"))
    return str(next(filter(None, names), ""))


def test_licences_are_known() -> None:
    """Each package that is installed has a licence that allows to use it and to pass it on."""
    said = {package: licence(package) for package, _ in locked("requirements-local.lock")}
    installed = {package: text for package, text in said.items() if text is not None}

    assert len(installed) > 60
    assert {p: text for p, text in installed.items() if not ALLOWED.search(text)} == {}
    assert [p for p, text in installed.items() if re.search(r"(AGPL|Affero)", text)] == []


def test_an_audit_without_network_says_so(tmp_path: Path) -> None:
    """Where the database of advisories cannot be reached, `deploy/audit` has not looked."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    python.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def audit(*arguments: str) -> tuple[int, str]:
        argv = ["sh", str(ROOT / "deploy/audit"), *arguments]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    code, said = audit("--if-online")
    assert (code, said[:8]) == (0, "skipped:")
    code, said = audit()
    assert (code, "cannot be reached" in said) == (69, True)

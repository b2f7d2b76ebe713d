"""deploy/make-secrets, run as the service `secrets` of Compose runs it, in a folder of its own."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.patience import PATIENCE_S, until

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "make-secrets"


def make(folder: Path, *arguments: str, tls: str = "") -> subprocess.CompletedProcess[str]:
    """Run it; `tls` is RASID_REDIS_TLS."""
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        env=os.environ | {"RASID_SECRETS": str(folder), "RASID_REDIS_TLS": tls},
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: Path) -> dict[str, str]:
    """Return what it wrote."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in found}


def is_tls(folder: Path) -> bool:
    """Return whether all addresses and both servers speak TLS; half of it is a failure."""
    now = files(folder)
    addresses = (text for name, text in now.items() if "/redis" in name and name.endswith("_url"))
    said = {address.startswith("rediss://") for address in addresses}
    said |= {"\ntls-port 6379" in text for name, text in now.items() if "redis.conf" in name}
    (answer,) = said
    return answer


def test_tls_ends_by_an_explicit_word(tmp_path: Path) -> None:
    """Without the variable nothing that spoke TLS is changed, with --new or not, unless told to."""
    assert make(tmp_path).returncode == 0
    assert not is_tls(tmp_path)
    assert make(tmp_path, tls="yes").returncode == 0
    assert is_tls(tmp_path)
    before = files(tmp_path)

    for arguments in ((), ("--new",)):
        refused = make(tmp_path, *arguments)
        assert refused.returncode == 64
        assert "COMPOSE_FILE=docker-compose.yml:deploy/tls.yml" in refused.stderr
        assert "docker compose run --rm secrets --without-tls" in refused.stderr
        assert files(tmp_path) == before
    contradiction = make(tmp_path, "--without-tls", tls="yes")
    assert (contradiction.returncode, files(tmp_path)) == (64, before)

    assert make(tmp_path, "--new", tls="yes").returncode == 0
    assert is_tls(tmp_path)
    password = "worker/redis_password"
    assert files(tmp_path)[password] != before[password]
    before = files(tmp_path)
    assert make(tmp_path, "--without-tls").returncode == 0
    assert not is_tls(tmp_path)
    assert files(tmp_path)[password] == before[password]
    assert make(tmp_path).returncode == 0


def test_an_argument_it_does_not_know(tmp_path: Path) -> None:
    """It says which it knows, and makes nothing."""
    refused = make(tmp_path, "--new", "--old")

    assert refused.returncode == 64
    assert "usage: make-secrets [--new] [--without-tls]" in refused.stderr
    assert files(tmp_path) == {}


def test_two_at_once(tmp_path: Path) -> None:
    """The second waits for the first and makes nothing: there is one password of each."""
    folder, held, go = tmp_path / "secrets", tmp_path / "held", tmp_path / "go"
    folder.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    od = shutil.which("od")
    (programs / "od").write_text(
        f'#!/bin/sh\n: >"{held}"\nuntil [ -e "{go}" ]; do sleep 0.02; done\nexec {od} "$@"\n'
    )
    (programs / "od").chmod(0o755)

    def start(name: str, path: str) -> subprocess.Popen[bytes]:
        with (tmp_path / name).open("w") as told:
            return subprocess.Popen(
                ["sh", str(SCRIPT)],
                env=os.environ
                | {"RASID_SECRETS": str(folder), "RASID_REDIS_TLS": "", "PATH": path},
                stderr=told,
            )

    first = start("first", f"{programs}:{os.environ['PATH']}")
    until(held.exists)
    second = start("second", os.environ["PATH"])
    told = tmp_path / "second"
    until(lambda: second.poll() is not None or "waiting for it" in told.read_text())
    go.touch()
    ended = [process.wait(PATIENCE_S) for process in (first, second)]

    assert ended == [0, 0]
    assert "made postgres/admin_password" in (tmp_path / "first").read_text()
    assert told.read_text() == "make-secrets: another one runs; waiting for it\n"

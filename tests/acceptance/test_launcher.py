"""./rasid: from a bare checkout to a running command, whatever was there before."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest

from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements-local.lock", "requirements-dev.lock", "requirements-uv.lock")
#: What the launcher may use besides Python and uv: a machine has at least these.
TOOLS = ("sh", "cat", "cksum", "mkdir", "rm", "dirname", "readlink", "sleep", "touch")
#: The Python that the environment of these tests was made from.
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
COMMAND = "import sys, os; print(sys.argv[1:], os.getcwd(), sys.path[0]); sys.exit(len(sys.argv))"


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uv: the machine's, the checkout's, or one installed as the launcher does."""
    found = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv" / "bin")
    if found:
        return Path(found)
    target = tmp_path_factory.mktemp("uv")
    lock = ROOT / "requirements-uv.lock"
    pip = f"{PYTHON} -m pip install -q --require-hashes --target".split()
    subprocess.run([*pip, target, "-r", lock], check=True)
    return target / "bin" / "uv"


class Checkout:
    """A checkout whose command only tells how it was called, and whose locks are empty."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self.path = path
        self.environment = {"PATH": str(path), "HOME": os.environ.get("HOME", "/")}
        package = root / "services" / "cli"
        package.mkdir(parents=True)
        (root / "services" / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(COMMAND)
        shutil.copy(ROOT / "rasid", root)
        for lock in LOCKS:
            (root / lock).touch()

    def add_tool(self, name: str, script: str) -> None:
        tool = self.path / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def start(self, *arguments: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.root / "rasid", *arguments],
            cwd=cwd or self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
        """Return exit code, output, errors."""
        with self.start(*arguments, cwd=cwd) as process:
            output, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output, errors


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A checkout on a machine without Python and uv."""
    path = tmp_path / "path"
    path.mkdir()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which(tool) or tool)
    root = tmp_path / "راصد with spaces"
    root.mkdir()
    return Checkout(root, path)


@pytest.fixture
def checkout(bare: Checkout, uv: Path) -> Checkout:
    """A checkout on a machine with Python and uv."""
    (bare.path / "uv").symlink_to(uv)
    (bare.path / "python3").symlink_to(PYTHON)
    return bare


def test_arguments_directory_and_exit_code(checkout: Checkout, tmp_path: Path) -> None:
    """The command gets what was typed, where it was typed, and its exit code is the launcher's."""
    (tmp_path / "link").symlink_to("راصد with spaces/rasid")
    (tmp_path / "elsewhere").mkdir()
    with subprocess.Popen(
        ["../link", "a b", "*", ""],
        cwd=tmp_path / "elsewhere",
        env=checkout.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)

    assert output == f"{['a b', '*', '']} {tmp_path / 'elsewhere'} {checkout.root}\n"
    assert process.returncode == 4


def test_installs_once(checkout: Checkout) -> None:
    """The first run says that it installs; the second one is silent and needs no uv."""
    _, _, first = checkout.run()
    (checkout.path / "uv").unlink()
    code, _, second = checkout.run()

    assert "installing the local packages" in first
    assert (code, second) == (1, "")


def test_installs_again_when_the_lock_changed(checkout: Checkout) -> None:
    """A checkout that was brought up to date gets the packages of its new lock file."""
    checkout.run()
    (checkout.root / "requirements-local.lock").write_text("# other versions\n")

    assert "installing" in checkout.run()[2]
    assert checkout.run()[2] == ""


def test_tests_need_more_packages(checkout: Checkout) -> None:
    """`rasid test` brings the dev packages; they hold the others, so both are then there."""
    (checkout.root / "requirements-dev.lock").write_text("# more\n")

    code, output, errors = checkout.run("test", "-k", "x")

    assert "installing the dev packages" in errors
    assert (code, output[:19]) == (4, "['test', '-k', 'x']")
    assert checkout.run("test")[2] == checkout.run("other")[2] == ""


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_killed_installation_is_redone(checkout: Checkout, uv: Path, step: str) -> None:
    """An environment that was killed half done is thrown away and made anew."""
    started = checkout.root / "started"
    (checkout.path / "uv").unlink()
    made = f"mkdir -p .venv/bin .venv/lib; ln -s {PYTHON} .venv/bin/python"
    steps = f"case $1 in {step}) [ -d .venv ] || {{ {made}; }}; : >started; sleep 600;; esac"
    (checkout.path / "ln").symlink_to(shutil.which("ln") or "ln")
    checkout.add_tool("uv", f'{steps}; exec "{uv}" "$@"')
    first = checkout.start()
    until(started.exists)
    (checkout.root / ".venv" / "lib" / "half").touch()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    (checkout.path / "uv").unlink()
    (checkout.path / "uv").symlink_to(uv)
    code, _, errors = checkout.run()

    assert (code, "installing" in errors) == (1, True)
    assert not (checkout.root / ".venv" / "lib" / "half").exists()
    assert checkout.run()[2] == ""


@pytest.fixture(params=["flock", "python", "uv"])
def locked_by(request: pytest.FixtureRequest, checkout: Checkout) -> str:
    """The checkout on a machine where this is what can lock a file."""
    kind: str = request.param
    if kind == "flock":
        (checkout.path / "flock").symlink_to(shutil.which("flock") or pytest.skip("needs flock"))
    if kind == "uv":
        (checkout.path / "python3").unlink()
        checkout.environment["UV_PYTHON_SEARCH_PATH"] = str(PYTHON.parent)
    return kind


def slow(checkout: Checkout, uv: Path) -> Path:
    """Let the packages be installed only when the file that is returned is there."""
    go = checkout.root / "go"
    (checkout.path / "uv").unlink()
    wait = ": >started; until [ -e go ]; do sleep 0.1; done"
    checkout.add_tool("uv", f'case $1 in pip) {wait};; esac; exec "{uv}" "$@"')
    return go


@pytest.mark.usefixtures("locked_by")
def test_first_runs_at_once(checkout: Checkout, uv: Path) -> None:
    """Of many that start at the same time one installs, and the others wait for it."""
    go = slow(checkout, uv)
    runs = [checkout.start() for _ in range(6)]
    said = [cast("IO[str]", run.stderr).readline() for run in runs]
    go.touch()
    errors = [
        first + run.communicate(timeout=PATIENCE_S)[1]
        for first, run in zip(said, runs, strict=True)
    ]

    assert [run.returncode for run in runs] == [1] * 6
    assert sum("installing the" in error for error in errors) == 1
    assert sum("waiting" in error for error in errors) == 5


@pytest.mark.usefixtures("locked_by")
def test_what_a_killed_run_started_is_waited_for(checkout: Checkout, uv: Path) -> None:
    """Killed alone, a run leaves its uv at work: the next one does not write between its lines."""
    go = slow(checkout, uv)
    first = checkout.start()
    until((checkout.root / "started").exists)
    first.kill()
    first.wait()
    second = checkout.start()
    said = cast("IO[str]", second.stderr).readline()
    go.touch()
    errors = said + second.communicate(timeout=PATIENCE_S)[1]
    first.communicate()

    assert second.returncode == 1
    assert errors.index("waiting") < errors.index("installing the")


def test_no_lock_is_to_be_had(checkout: Checkout) -> None:
    """Where a file cannot be locked, that is said, and nothing is installed."""
    checkout.add_tool("flock", "echo flock: no locks here >&2; exit 71")

    code, _, errors = checkout.run()

    assert code == 69
    assert "no locks here" in errors
    assert "cannot lock" in errors
    assert not (checkout.root / ".venv").exists()


def test_moved_python(checkout: Checkout) -> None:
    """An environment whose Python is gone is made anew."""
    checkout.run()
    python = checkout.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")

    code, _, errors = checkout.run()

    assert (code, "installing" in errors) == (1, True)


def test_without_uv(checkout: Checkout) -> None:
    """Where uv is not to be had, pip and venv do it."""
    (checkout.path / "uv").unlink()
    (checkout.root / "requirements-uv.lock").write_text(
        "no-such-package==1 --hash=sha256:" + "0" * 64 + "\n"
    )
    checkout.environment["PIP_NO_INDEX"] = "1"

    code, _, errors = checkout.run()

    assert code == 1, errors
    assert (checkout.root / ".venv" / "bin" / "pip").exists()


def test_python_too_old(bare: Checkout) -> None:
    """A Python that is too old is named, with its version, and what to do."""
    bare.add_tool("python3", "case $2 in *print*) echo 3.9.2;; *) exit 1;; esac")

    code, _, errors = bare.run()

    assert code == 69
    assert "needs Python 3.11 to 3.14" in errors
    assert f"{bare.path}/python3 is 3.9.2" in errors


def test_nothing_to_start_with(bare: Checkout) -> None:
    """Without Python and uv the message says what to install, and nothing is left behind."""
    code, _, errors = bare.run()

    assert code == 69
    assert errors == "rasid: needs Python 3.11 or newer with pip, or uv: install one of them\n"
    assert not (bare.root / ".venv").exists()


@pytest.mark.slow
def test_from_nothing(tmp_path: Path) -> None:
    """A clone, Python and pip are enough: the real packages come with their hashes checked."""
    root = tmp_path / "نسخة جديدة"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ROOT}", root], check=True)
    path = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "uv").exists()
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    help_text = subprocess.run(
        [root / "rasid", "--help"],
        cwd=tmp_path,
        env={**environment, "PATH": path, "RASID_PYTHON": str(PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert help_text.returncode == 0, help_text.stderr
    assert "Usage:" in help_text.stdout
    assert (root / ".uv" / "complete").exists()

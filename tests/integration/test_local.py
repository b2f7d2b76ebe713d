"""The embedded servers: ready, private, Arabic, kept, and shared by the programs of one machine."""

import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from kombu.connection import Connection

from services.cli.session import database
from services.local import Stack, attach, start, valkey
from services.local.directories import Place
from services.local.postgres import character_type
from services.local.processes import FIRST_DELAY, Command, Process, exists, launch
from services.shared.errors import LocalServersError
from services.shared.settings import load
from services.storage import migrate
from tests.patience import PATIENCE_S, until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def bodies(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.redis_bodies_url) as client:
        yield client


class TestAddresses:
    def test_clients_accept_them(self, stack: Stack, bodies: redis.Redis) -> None:
        """psycopg, redis-py and kombu each take their address as it is."""
        with psycopg.connect(stack.database_url) as connection:
            row = connection.execute("select current_database(), current_user").fetchone()
        with Connection(stack.redis_url) as broker:  # type: ignore[no-untyped-call]
            broker.ensure_connection(max_retries=1, timeout=PATIENCE_S)
            assert broker.connected

        assert row == ("rasid", "rasid")
        assert bodies.ping()

    def test_only_this_user_reaches_them(self, tmp_path: Path) -> None:
        """Sockets and addresses are closed to other users, and no port is open."""
        with start(tmp_path / "state", durable=False) as stack:
            sockets = stack.broker_socket.parent
            with psycopg.connect(stack.database_url) as connection:
                listening = connection.execute("show listen_addresses").fetchone()

            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            assert stat.S_IMODE((tmp_path / "state/connection.json").stat().st_mode) == 0o600
            assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
            assert listening == ("",)

    @pytest.mark.parametrize("name", ["a" * 60 + "/" + "b" * 90, "حالة مع فراغات", "100% 'q\" $x"])
    def test_any_directory_will_do(self, tmp_path: Path, name: str) -> None:
        """The state's path may be longer than a socket's, Arabic, or hold characters of a shell."""
        with start(tmp_path / name, durable=False) as stack:
            with psycopg.connect(stack.database_url) as connection:
                row = connection.execute("select 1").fetchone()

            assert row == (1,)


class TestArabic:
    def test_text_search_sees_letters(self, empty_database_url: str) -> None:
        """Trigrams of Arabic exist, and punctuation does not stick to its words."""
        with psycopg.connect(empty_database_url) as connection:
            connection.execute("create extension pg_trgm")
            similarity = connection.execute("select similarity('القاهرة', 'القاهره')").fetchone()
            words = connection.execute(
                "select tsvector_to_array(to_tsvector('simple', '«القاهرة»، بيروت؟'))"
            ).fetchone()

        assert similarity is not None
        assert similarity[0] > 0.4
        assert words == (["القاهرة", "بيروت"],)

    def test_foreign_locale_does_not_matter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A user's LANG, even one that is not installed, changes nothing."""
        monkeypatch.setenv("LANG", "xx_XX.ISO-8859-6")
        monkeypatch.setenv("LC_ALL", "C")
        with (
            start(tmp_path, durable=False) as stack,
            psycopg.connect(stack.database_url) as connection,
        ):
            row = connection.execute(
                "select datctype, datlocale from pg_database where datname = current_database()"
            ).fetchone()

        assert row == (character_type(), "C.UTF-8")


class TestRedis:
    def test_settings_of_the_two(self, stack: Stack, bodies: redis.Redis) -> None:
        """Neither drops a key at its limit; the bodies' file is not rewritten all the time."""
        with redis.Redis(unix_socket_path=str(stack.broker_socket)) as broker:
            limits = [client.config_get("maxmemory*") for client in (broker, bodies)]

        assert [limit["maxmemory"] for limit in limits] == [str(256 << 20), str(2 << 30)]
        assert {limit["maxmemory-policy"] for limit in limits} == {"noeviction"}
        assert bodies.config_get("auto-aof-rewrite-min-size") == {
            "auto-aof-rewrite-min-size": str(1 << 30)
        }

    def test_broker_keeps_nothing_and_bodies_all(self, tmp_path: Path) -> None:
        """After a restart the bodies are there; the broker is empty, as the reconciler expects."""
        for expected in ((None, None), (None, b"1")):
            with (
                start(tmp_path) as stack,
                redis.Redis(unix_socket_path=str(stack.broker_socket)) as broker,
                redis.Redis(unix_socket_path=str(stack.bodies_socket)) as bodies,
            ):
                assert (broker.get("key"), bodies.get("key")) == expected
                broker.set("key", "1")
                bodies.set("key", "1")


class TestData:
    def test_second_start_keeps_it(self, tmp_path: Path) -> None:
        """What was stored is there after a stop, and the data directory is not made again."""
        identifiers = set()
        rows = []
        for number in (1, 2):
            with start(tmp_path) as stack, psycopg.connect(stack.database_url) as connection:
                connection.execute("create table if not exists kept (number int)")
                connection.execute("insert into kept values (%s)", [number])
                rows = connection.execute("select number from kept order by number").fetchall()
                identifiers.add(
                    connection.execute(
                        "select system_identifier from pg_control_system()"
                    ).fetchone()
                )

        assert rows == [(1,), (2,)]
        assert len(identifiers) == 1

    def test_interrupted_creation_is_redone(self, tmp_path: Path) -> None:
        """Half a data directory, left by a kill, is thrown away."""
        (tmp_path / "pg.new" / "base").mkdir(parents=True)
        (tmp_path / "pg.new" / "PG_VERSION").write_text("18\n")

        with start(tmp_path, durable=False) as stack:
            assert "postgres" in stack.pids()
        assert not (tmp_path / "pg.new").exists()

    def test_number_of_a_dead_server_taken_by_another_process(self, tmp_path: Path) -> None:
        """A pid file whose number now belongs to somebody else does not hinder the start."""
        with start(tmp_path, durable=False):
            pass
        (tmp_path / "pg" / "postmaster.pid").write_text(f"{os.getppid()}\n{tmp_path / 'pg'}\n")

        with start(tmp_path, durable=False) as stack:
            assert "postgres" in stack.pids()

    def test_of_valkeys_only_its_own_is_stopped(self, stack: Stack, tmp_path: Path) -> None:
        """One that outlived its guard is; one of another state that has its number is not."""
        place = Place(state=tmp_path, sockets=tmp_path, mode="not_root", durable=False)
        own = launch(valkey.command(place, "bodies", max_memory="9mb", keep=True))
        until((tmp_path / "bodies" / "pid").exists)
        foreign = stack.pids()["broker"]
        (tmp_path / "broker").mkdir()
        (tmp_path / "broker" / "pid").write_text(f"{foreign}\n")

        with start(tmp_path, durable=False):
            assert own.wait(PATIENCE_S) == 0
            assert stack.pids()["broker"] == foreign
            assert exists(foreign)

    def test_left_over_postgres_is_stopped(self, tmp_path: Path) -> None:
        """A Postgres that outlived its guard is stopped before the new one starts."""
        with start(tmp_path, durable=False):
            pass
        data = tmp_path / "pg"
        impostor = Command(
            name="impostor",
            argv=(
                *python("import time; print(1, flush=True); time.sleep(600)"),
                "postgres",
                "-D",
                str(data.resolve()),
            ),
            log=tmp_path / "impostor.log",
            env={},
        )
        process = launch(impostor)
        until(impostor.log.read_bytes)
        (data / "postmaster.pid").write_text(f"{process.pid}\n")

        with start(tmp_path, durable=False):
            assert process.wait(PATIENCE_S) == -signal.SIGINT

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
    @pytest.mark.parametrize("closed", [False, True])
    def test_as_root_without_user_namespaces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, closed: bool
    ) -> None:
        """Where root may make no namespace, Postgres runs as nobody, also below closed directories.

        The same data serves again when namespaces are to be had.
        """
        monkeypatch.setenv("RASID_UNROOT", "nobody")
        (tmp_path / "above").mkdir(mode=0o700)
        state = tmp_path / "above" / "state" if closed else None
        with (
            start(state, durable=False) as stack,
            psycopg.connect(stack.database_url) as connection,
        ):
            connection.execute("create table kept (number int)")
            owner = Path(f"/proc/{stack.pids()['postgres']}").stat().st_uid
        assert owner == 65534
        if state is None:
            assert not stack.state.exists()
            return

        monkeypatch.delenv("RASID_UNROOT")
        data = (state / "pg").resolve()
        with start(state) as stack, psycopg.connect(stack.database_url) as connection:
            connection.execute("select from kept")
        for path in sorted(data.parent.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        data.parent.rmdir()


class TestSharing:
    def test_second_program_attaches(self, tmp_path: Path) -> None:
        """While one program runs the servers, another one finds and uses them, without stopping."""
        with start(tmp_path, durable=False) as stack:
            other = attach(tmp_path)
            assert other is not None
            with other, psycopg.connect(other.database_url) as connection:
                connection.execute("select 1")

            assert other.redis_bodies_url == stack.redis_bodies_url
            with pytest.raises(LocalServersError, match="another rasid"):
                other.spawn("x", ["true"])
            assert attach(tmp_path) is not None
        assert attach(tmp_path) is None

    def test_one_that_comes_before_the_schema_waits_for_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second command at the very first start does not tell anybody to migrate."""
        settings = load(state_dir=tmp_path, database_url=None, redis_url=None)
        with start(tmp_path, durable=False) as stack:

            def meanwhile(_seconds: float) -> None:
                monkeypatch.undo()
                migrate.migrate(stack.database_url)

            monkeypatch.setattr(time, "sleep", meanwhile)
            with database(settings) as connection:
                assert migrate.version(connection) == migrate.latest()

    def test_second_start_is_refused(self, tmp_path: Path) -> None:
        """Two programs cannot run servers in one directory; the message says what to do."""
        with start(tmp_path, durable=False) as stack:
            with pytest.raises(LocalServersError, match=r"in use.*RASID_STATE"):
                start(tmp_path)

            assert "postgres" in stack.pids()

    def test_nothing_to_attach_to(self, tmp_path: Path) -> None:
        """A directory without servers, or with a damaged address file, is no error."""
        assert attach(tmp_path / "missing") is None
        (tmp_path / "connection.json").write_text("{")
        assert attach(tmp_path) is None

    def test_forked_child_does_not_stop_them(self, stack: Stack) -> None:
        """A child that was forked from the program and leaves its block leaves the servers be."""
        child = os.fork()
        if child == 0:
            stack.stop()
            os._exit(0)
        os.waitpid(child, 0)

        assert "postgres" in stack.pids()


class TestSpawn:
    def test_environment_directory_and_log(self, stack: Stack) -> None:
        """A process has our environment and directory, and its output is in its log."""
        code = "import os, sys; print(os.environ['NEW'], 'PATH' in os.environ, os.getcwd())"
        stack.spawn("told", python(code), env={"NEW": "قيمة"})
        ended = stack.wait(PATIENCE_S)

        assert ended is not None
        assert (ended.name, ended.code, ended.restart_in_s) == ("told", 0, None)
        assert stack.log("told").read_text("utf-8") == f"قيمة True {Path.cwd()}\n"

    def test_restarted_when_it_ends_by_itself(self, stack: Stack) -> None:
        """A process to be restarted is, and its program is told each time, with the code."""
        pid = stack.spawn("tired", python("raise SystemExit(75)"), restart=True)
        first, second = stack.wait(PATIENCE_S), stack.wait(PATIENCE_S)
        stack.stop_process("tired")
        while stack.wait(0.0):  # it may have been begun again before it was stopped
            pass

        assert first is not None
        assert second is not None
        assert (first.pid, first.code, first.restart_in_s) == (pid, 75, 1.0)
        assert (second.code, second.restart_in_s) == (75, 2.0)
        assert second.pid != pid
        assert stack.wait(2.5) is None

    def test_what_a_dead_process_leaves_is_killed(self, stack: Stack, tmp_path: Path) -> None:
        """When a worker is killed, its children go too, before it is started again."""
        code = (
            "import os, time, pathlib, sys\n"
            "if os.fork() == 0:\n"
            "    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
            "time.sleep(600)"
        )
        file = tmp_path / "child"
        pid = stack.spawn("parent", [*python(code), str(file)])
        until(lambda: file.exists() and file.read_text())
        os.kill(pid, signal.SIGKILL)
        ended = stack.wait(PATIENCE_S)

        assert ended is not None
        assert ended.code == -signal.SIGKILL
        until(lambda: not Path(f"/proc/{file.read_text()}").exists())

    def test_stop_one(self, stack: Stack) -> None:
        """One process can be stopped with its own signal; one that hears none is killed."""
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"  # noqa: E501
        stack.spawn("deaf", python(code), grace=0.2)
        stack.spawn("polite", python("import time; time.sleep(600)"), stop_signal=signal.SIGUSR1)
        until(lambda: stack.log("deaf").read_bytes())

        assert stack.stop_process("polite") == -signal.SIGUSR1
        assert stack.stop_process("deaf") == -signal.SIGKILL
        assert stack.stop_process("deaf") is None
        assert set(stack.pids()) == {"broker", "bodies", "postgres"}

    def test_refusals(self, stack: Stack) -> None:
        """A program that does not exist, or a name that is taken, is an error, and no harm."""
        stack.spawn("sleeper", python("import time; time.sleep(600)"))

        with pytest.raises(LocalServersError, match="'sleeper' is running"):
            stack.spawn("sleeper", ["true"])
        with pytest.raises(LocalServersError, match="no-such-program"):
            stack.spawn("other", ["/no-such-program"])
        stack.stop_process("sleeper")
        assert set(stack.pids()) == {"broker", "bodies", "postgres"}

    def test_without_servers(self, tmp_path: Path) -> None:
        """Where DATABASE_URL and REDIS_URL are given, the guard only runs processes, any number."""
        with (
            start(tmp_path, servers=False) as stack,
            start(tmp_path, servers=False) as beside,
        ):
            stack.spawn("sleeper", python("import time; time.sleep(600)"))

            assert set(stack.pids()) == {"sleeper"}
            assert beside.pids() == {}
            with pytest.raises(LocalServersError, match="DATABASE_URL"):
                _ = stack.database_url

    def test_program_that_never_listens(self, tmp_path: Path) -> None:
        """News that nobody reads does not block the guard."""
        with start(tmp_path, servers=False) as stack:
            for number in range(800):
                stack.spawn("quick" * 20 + str(number), ["/bin/true"])

    def test_delays_grow_to_a_limit(self, tmp_path: Path) -> None:
        """A process that cannot stay up waits longer each time, but never longer than 30 s."""
        command = Command(name="x", argv=("/bin/true",), log=tmp_path / "x.log", env={})
        process = Process(command, launch(command))
        delays = [process.delay() for _ in range(8)]
        process.started -= 3600
        process.popen.wait()

        assert delays == [1, 2, 4, 8, 16, 30, 30, 30]
        assert process.delay() == FIRST_DELAY


class TestServersThatDie:
    @pytest.mark.parametrize("server", ["broker", "bodies", "postgres"])
    def test_killed_server_comes_back(self, tmp_path: Path, server: str) -> None:
        """A server that was killed is started again at the same address, with its data."""
        with start(tmp_path) as stack:
            with redis.Redis(unix_socket_path=str(stack.bodies_socket)) as bodies:
                bodies.set("kept", "1")
            with psycopg.connect(stack.database_url) as connection:
                connection.execute("create table kept ()")
            time.sleep(1.2)  # the bodies' file is written once a second
            before = stack.pids()[server]
            os.kill(before, signal.SIGKILL)
            until(lambda: stack.pids().get(server, before) != before)
            until(lambda: attach(tmp_path))

            with redis.Redis(unix_socket_path=str(stack.bodies_socket)) as bodies:
                assert bodies.get("kept") == b"1"

            def answers() -> bool:
                try:
                    with psycopg.connect(stack.database_url) as connection:
                        connection.execute("select from kept")
                except psycopg.OperationalError:
                    return False
                return True

            until(answers)

    @pytest.mark.parametrize(
        ("variable", "message"),
        [("RASID_POSTGRES_BIN", "cannot be run|not a program"), ("RASID_VALKEY_SERVER", "program")],
    )
    def test_missing_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, message: str
    ) -> None:
        """A server that is not there is named, and what was started before it is stopped."""
        monkeypatch.setenv(variable, str(tmp_path))
        with pytest.raises(LocalServersError, match=message):
            start(tmp_path / "state", durable=False)

    def test_broken_data(self, tmp_path: Path) -> None:
        """When Postgres does not start, the end of its log is in the message."""
        with start(tmp_path, durable=False):
            pass
        (tmp_path / "pg" / "global" / "pg_control").unlink()

        with pytest.raises(LocalServersError, match="pg_control"):
            start(tmp_path, durable=False)

    def test_state_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A state directory in an impossible place is an error that says what to change."""
        (tmp_path / "file").touch()
        with pytest.raises(LocalServersError, match="RASID_STATE"):
            start(tmp_path / "file" / "state")

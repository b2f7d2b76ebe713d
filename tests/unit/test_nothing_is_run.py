"""Nothing that comes from outside is ever run: no pickle, no code in data, no script in a page."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.dashboard import run
from services.dashboard.app import make_app
from services.health import Health
from services.queue.broker import make_celery
from services.shared import settings as settings_module

ROOT = Path(__file__).resolve().parents[2]
FILES = [p for folder in ("services", "crawler", "worker") for p in (ROOT / folder).rglob("*.py")]
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
#: These of a module: `yaml.load` runs constructors, and so on.
ATTRIBUTES = {("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("numpy", "load")}
#: What serves pages; who needs one of them has to forbid scripts in what it serves.
SERVERS = ("http.server", "wsgiref", "flask", "fastapi", "starlette", "uvicorn", "tornado",
           "aiohttp.web", "twisted.web.server", "twisted.web.resource")  # fmt: skip
#: The demo's newspaper, whose pages are made up and hold nothing stored; and the dashboard.
SERVING = {
    "services/demo/site.py",
    "services/dashboard/app.py",
    "services/dashboard/protocol.py",
    "services/dashboard/run.py",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_in_data(path: Path) -> None:
    """No module of ours reads pickles or evaluates text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                found += [n.name for n in names if n.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                found.append(module)
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.append(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found += [name] if (module, name) in ATTRIBUTES else []

    assert found == []


def test_only_the_dashboard_serves_what_is_stored() -> None:
    """No other process of ours serves HTML, and the dashboard is served in one way alone."""
    serving = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Import(names=names):
                    imported = [name.name for name in names]
                case ast.ImportFrom(module=str(module), names=names):
                    imported = [module, *(f"{module}.{name.name}" for name in names)]
                case _:
                    continue
            if any(f"{name}.".startswith(f"{server}.") for name in imported for server in SERVERS):
                serving.add(path.relative_to(ROOT).as_posix())

    assert serving == SERVING


def test_the_dashboard_forbids_to_run_anything() -> None:
    """What it is served by says with every answer that nothing in it is to be run or framed."""
    app = make_app(settings_module.load(), lambda: Health(at=datetime.now(UTC)), lambda: "")
    config = run.server(app, settings_module.load()).config
    config.load()
    said = {name.decode(): value.decode() for name, value in config.encoded_headers}
    policy = said["content-security-policy"].split("; ")

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"unsafe|script-src|data:|https?:|\*", said["content-security-policy"])
    assert said["x-content-type-options"] == "nosniff"
    templates = [path.read_text("utf-8") for path in (ROOT / "services/dashboard").glob("*.html")]
    assert templates
    assert not any(
        re.search(r"\|\s*safe\b|autoescape|<script|style=|\son\w+=", t) for t in templates
    )


def test_celery_takes_json_alone() -> None:
    """Whatever is on the queue, Celery is told to read JSON and nothing else."""
    conf = make_celery(settings_module.load(redis_url="redis://localhost:1/0")).conf

    assert conf.accept_content == ["json"]
    assert (conf.task_serializer, conf.result_serializer, conf.event_serializer) == ("json",) * 3
    assert conf.result_accept_content in (None, ["json"])

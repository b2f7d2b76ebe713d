"""Nothing that comes from outside is ever run: no pickle, no code in data."""

import ast
from pathlib import Path

import pytest

from services.queue.broker import make_celery
from services.shared import settings as settings_module

ROOT = Path(__file__).resolve().parents[2]
FILES = [p for folder in ("services", "crawler", "worker") for p in (ROOT / folder).rglob("*.py")]
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
#: These of a module: `yaml.load` runs constructors, and so on.
ATTRIBUTES = {("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("numpy", "load")}


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


def test_celery_takes_json_alone() -> None:
    """Whatever is on the queue, Celery is told to read JSON and nothing else."""
    conf = make_celery(settings_module.load(redis_url="redis://localhost:1/0")).conf

    assert conf.accept_content == ["json"]
    assert (conf.task_serializer, conf.result_serializer, conf.event_serializer) == ("json",) * 3
    assert conf.result_accept_content in (None, ["json"])

"""Whatever lies in a folder, each file has a clear outcome and the worker lives on."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from services.cli.session import environment
from tests.acceptance.conftest import ROOT, Product

ARABIC = "أعلنت بلدية المدينة افتتاح مكتبة عامة جديدة قرب الميناء بعد أعمال ترميم استمرت عامين. "
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def article(charset: str, declared: str = "", about: str = "مكتبة") -> bytes:
    """An Arabic page in one charset that may declare another."""
    meta = f'<meta charset="{declared}">' if declared else ""
    paragraphs = f"<p>{ARABIC * 3}</p>".replace("مكتبة", about) * 4
    html = f"<html><head>{meta}<title>مكتبة جديدة</title></head><body><article>{paragraphs}"
    return html.encode(charset)


FILES = {
    "empty.html": b"",
    "blank.html": b" \n\t " * 100,
    "garbage.html": b"",  # 50 MB, written by the test
    "nested.html": b"<div>" * 100_000 + b"text" + b"</div>" * 100_000,
    "truncated.html.gz": gzip.compress(article("utf-8"))[:-20],
    "lying.html": article("windows-1256", declared="utf-8"),
    "undeclared.html": article("windows-1256", about="مدرسة"),
    "image.html": PNG,
    "unknown.xyz": b"what is this",
    "good.html": article("utf-8", declared="utf-8", about="حديقة"),
    "broken.jsonl": b'{"url": "https://a/1", "html": \n{"html": "<p>x</p>"}\n[]\n',
}


def test_every_file_has_an_outcome(product: Product, tmp_path: Path) -> None:
    """Good pages are stored, whatever stands beside them; the rest is named with its reason."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    with (folder / "garbage.html").open("wb") as garbage:
        for _ in range(50):
            garbage.write(os.urandom(1_000_000))
    product.spawn("worker", "-m", "services.cli", "worker")

    imported = subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", "import", str(folder), "--wait", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment(product.settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr

    summary = json.loads(imported.stdout)
    refused = {refusal["origin"]: refusal["reason"] for refusal in summary["refusals"]}
    assert refused == {
        "bad/garbage.html": "too_large",
        "bad/truncated.html.gz": "truncated_gzip",
        "bad/unknown.xyz": "unknown_kind",
        "bad/broken.jsonl#1": "broken_line",
        "bad/broken.jsonl#3": "broken_line",
    }
    origins = "select origin || ' ' || outcome || coalesce(' ' || reason, '') from rasid.raw_pages"
    assert set(product.count(origins)) == {
        "bad/blank.html rejected empty_body",
        "bad/broken.jsonl#2 rejected too_short",
        "bad/empty.html rejected empty_body",
        "bad/good.html created",
        "bad/image.html rejected unsupported_type",
        "bad/lying.html created",
        "bad/nested.html rejected too_large",
        "bad/undeclared.html created",
    }
    texts = product.count("select text from media.articles where origin = 'bad/lying.html'")
    assert ARABIC.strip() in str(texts)
    texts = product.count("select text from media.articles where origin = 'bad/undeclared.html'")
    assert ARABIC.strip().replace("مكتبة", "مدرسة") in str(texts)

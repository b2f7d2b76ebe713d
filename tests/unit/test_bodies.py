import gzip
import subprocess
import sys
import zlib
from contextlib import suppress

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from crawler.bodies import BrokenBody, TooLarge, unpacked

TEXT = "نص".encode() * 5000
PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstd.compress(TEXT),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
    "identity": TEXT,
    "": TEXT,
}
#: Unpacks half a gigabyte of each kind in a process that may have 100 MB more than it has.
BOMBS = """
import resource, zlib
import brotli
from backports import zstd
from crawler.bodies import TooLarge, unpacked

def packed(step, end):
    zeros = bytes(1 << 20)
    return b"".join([*(step(zeros) for _ in range(512)), end()])

gz = zlib.compressobj(1, wbits=31)
df = zlib.compressobj(1, wbits=-15)
br = brotli.Compressor(quality=1)
zs = zstd.ZstdCompressor(level=1)
bombs = {
    "gzip": packed(gz.compress, gz.flush),
    "deflate": packed(df.compress, df.flush),
    "br": packed(br.process, br.finish),
    "zstd": packed(zs.compress, zs.flush),
}
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 100_000_000,) * 2)
for coding, bomb in bombs.items():
    assert len(bomb) < 10_000_000, coding
    try:
        unpacked(bomb, coding, 20_000_000)
    except TooLarge:
        print(coding)
"""


@pytest.mark.parametrize("coding", PACKED)
def test_a_body_is_unpacked(coding: str) -> None:
    """Each coding we ask for is undone, and one inside another."""
    assert unpacked(PACKED[coding], coding, len(TEXT)) == TEXT


def test_bare_deflate_is_deflate() -> None:
    """Servers send deflate data without its header under the same name."""
    packer = zlib.compressobj(wbits=-15)
    assert unpacked(packer.compress(TEXT) + packer.flush(), "deflate", len(TEXT)) == TEXT


def test_members_are_one_document() -> None:
    """What was packed in parts is whole again; what follows them is no part of it."""
    body = gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]) + b"\x00\x00"
    assert unpacked(body, "gzip", len(TEXT)) == TEXT


@pytest.mark.parametrize("coding", [name for name in PACKED if name not in ("", "identity")])
def test_a_body_has_no_more_than_it_may(coding: str) -> None:
    """One byte above the limit is too large."""
    with pytest.raises(TooLarge):
        unpacked(PACKED[coding], coding, len(TEXT) - 1)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_cut_body_is_no_document(coding: str) -> None:
    """A body that ends early is told as such, though its beginning could be read."""
    with pytest.raises(BrokenBody) as told:
        unpacked(PACKED[coding][:-9], coding, len(TEXT))
    assert told.value.is_cut


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "compress"])
def test_what_is_not_packed_so_is_broken(coding: str) -> None:
    """Other bytes than the header says, or a coding that nobody asked for, have a reason."""
    with pytest.raises(BrokenBody) as told:
        unpacked(b"<html>not packed at all</html>", coding, 1000)
    assert not told.value.is_cut or coding in ("br", "deflate")


def test_who_packs_too_often_is_refused() -> None:
    """A long chain of codings is no page."""
    with pytest.raises(BrokenBody):
        unpacked(PACKED["gzip"], "gzip, gzip, gzip, gzip", 1000)


@given(body=st.binary(max_size=200), coding=st.sampled_from(["gzip", "deflate", "br", "zstd", "?"]))
def test_no_body_raises_anything_else(body: bytes, coding: str) -> None:
    """Whatever comes is unpacked or named."""
    with suppress(TooLarge, BrokenBody):
        assert len(unpacked(body, coding, 10_000)) <= 10_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_bombs_are_cut_while_they_are_unpacked() -> None:
    """Half a gigabyte of each coding is stopped at the limit, with little memory."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", BOMBS], capture_output=True, text=True, check=False
    )
    assert run.stdout.split() == ["gzip", "deflate", "br", "zstd"], run.stderr

"""zstd as Rasid uses it: bytes in, bytes out, at the level that pays for HTML."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Level 3 packs HTML to a fifth; level 6 gains 1.5 points for twice the time.
LEVEL = 3
#: A frame may ask for so much memory before anything is unpacked, 2 ** 23 bytes; ours ask for less.
WINDOW_LOG = 23


def compress(data: bytes) -> bytes:
    """Return the data as one zstd frame."""
    return zstd.compress(data, LEVEL)


def compressor() -> "zstd.ZstdCompressor":
    """Return what makes one zstd frame of data that comes piece by piece."""
    return zstd.ZstdCompressor(level=LEVEL)


def decompress(data: bytes, limit: int | None = None) -> bytes:
    """Return what `compress` was given.

    With `limit` no more than so many bytes are ever unpacked: for data that others could write.

    Raises:
        ValueError: the data is not a whole zstd frame, or holds more than `limit` bytes.
        MemoryError: there is no room to unpack it.
    """
    try:
        if limit is None:
            return zstd.decompress(data)
        options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
        unpacker = zstd.ZstdDecompressor(options=options)
        unpacked = unpacker.decompress(data, limit + 1)
    except (zstd.ZstdError, EOFError) as error:
        if "Allocation error" in str(error):  # it says nothing of the data
            raise MemoryError(str(error)) from error
        raise ValueError(f"not a zstd frame: {error}") from error
    if len(unpacked) > limit:
        raise ValueError(f"unpacks to more than {limit} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("not one whole zstd frame")
    return unpacked

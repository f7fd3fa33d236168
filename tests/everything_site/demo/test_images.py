"""The picture and the sound are what their types say."""

import io
import struct
import wave
import zlib

from everything_site.demo.images import SIDE, tiny_png, tiny_wav


def chunks(png):
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        yield kind, body
        at += 12 + length


def test_the_picture_is_a_png_of_its_size():
    png = tiny_png()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found = dict(chunks(png))
    assert struct.unpack(">II", found[b"IHDR"][:8]) == (SIDE, SIDE)
    assert len(zlib.decompress(found[b"IDAT"])) == SIDE * (1 + 3 * SIDE)
    assert list(found)[-1] == b"IEND"


def test_the_sound_is_a_wav_that_is_not_silent():
    with wave.open(io.BytesIO(tiny_wav())) as sound:
        assert sound.getnframes() == sound.getframerate() / 10
        assert len(set(sound.readframes(sound.getnframes()))) > 50

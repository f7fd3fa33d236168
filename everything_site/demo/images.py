"""The tiny image and sound that tools and prompts return, generated rather than stored."""

import base64
import io
import math
import struct
import wave
import zlib
from functools import cache
from typing import Literal
from urllib.parse import urljoin

from django.conf import settings
from django.templatetags.static import static
from mcp.types import Annotations, AudioContent, Icon, ImageContent

SIDE = 16  # pixels: small enough to read in a trace, large enough to see
SAMPLE_RATE = 8000  # Hz, the lowest that every player knows
TONE = 440  # Hz
SOUND_SECONDS = 0.1
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


@cache
def tiny_png() -> bytes:
    """A blue disc on white, 16 by 16 pixels, 8-bit RGB."""
    middle = (SIDE - 1) / 2
    rows = bytearray()
    for y in range(SIDE):
        rows.append(0)  # each row of a PNG names its filter: none
        for x in range(SIDE):
            inside = math.hypot(x - middle, y - middle) <= middle
            rows += bytes((32, 96, 208) if inside else (255, 255, 255))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + _chunk(b"IEND", b"")
    )


@cache
def tiny_wav() -> bytes:
    """A tenth of a second of the concert pitch, 8-bit mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(
            bytes(
                128 + round(100 * math.sin(2 * math.pi * TONE * i / SAMPLE_RATE))
                for i in range(int(SAMPLE_RATE * SOUND_SECONDS))
            )
        )
    return buffer.getvalue()


def image_content(annotations: Annotations | None = None) -> ImageContent:
    """The tiny picture as a content block."""
    data = base64.b64encode(tiny_png()).decode()
    return ImageContent(type="image", data=data, mime_type="image/png", annotations=annotations)


def icons() -> list[Icon]:
    """The mark of the server, for light and for dark backgrounds.

    By URL, since every result of 2026-07-28 has them. Clients trust icons of the server's own origin.
    """
    return [
        Icon(
            src=urljoin(settings.MCP_RESOURCE_URL, static(f"icons/mark-64-{theme}.png")),
            mime_type="image/png",
            sizes=["64x64"],
            theme=theme,
        )
        for theme in THEMES
    ]


def audio_content() -> AudioContent:
    """The tiny sound as a content block."""
    data = base64.b64encode(tiny_wav()).decode()
    return AudioContent(type="audio", data=data, mime_type="audio/wav")

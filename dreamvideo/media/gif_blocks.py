"""Joins GIF segments: takes the file header off the first packet of a segment, which libav's encoder puts there.

A GIF has one header; a second one is read as an unknown block, at which browsers and Pillow stop. The header's palette,
the global one, belongs to the first image of its segment and moves into the descriptor of that image.
"""

from __future__ import annotations

from typing import Final

_SIGNATURES: Final = (b"GIF87a", b"GIF89a")
_HEADER: Final = 13  # bytes: signature, width, height, flags, background, aspect
_EXTENSION, _IMAGE = 0x21, 0x2C
_HAS_PALETTE, _PALETTE_SIZE = 0x80, 0x07  # in the flags of the header and of an image descriptor


def without_gif_header(packet: bytes) -> bytes:
    """Return an encoded GIF image without the file header.

    Args:
        packet: of libav's GIF encoder; the first one of an encoder begins with a header.

    Returns:
        Its extensions, image descriptor, palette and pixels; `packet` itself if it has no header.

    Raises:
        ValueError: there is a header and no whole image after it.
    """
    if not packet.startswith(_SIGNATURES):
        return packet
    try:
        palette_size = _palette_size(packet[10])
        palette = packet[_HEADER : _HEADER + palette_size]
        start = at = _HEADER + palette_size
        while packet[at] == _EXTENSION:
            at = _after_sub_blocks(packet, at + 2)
        flags = packet[at + 9]
        if packet[at] != _IMAGE:
            raise ValueError(f"got the block 0x{packet[at]:02x}, expected an image")
    except IndexError:
        raise ValueError("the packet ends before its image") from None
    if not palette or flags & _HAS_PALETTE:
        return packet[start:]
    local = flags | _HAS_PALETTE | (packet[10] & _PALETTE_SIZE)
    return packet[start : at + 9] + bytes([local]) + palette + packet[at + 10 :]


def _palette_size(flags: int) -> int:
    return 3 * 2 ** ((flags & _PALETTE_SIZE) + 1) if flags & _HAS_PALETTE else 0


def _after_sub_blocks(packet: bytes, at: int) -> int:
    while packet[at]:
        at += 1 + packet[at]
    return at + 1

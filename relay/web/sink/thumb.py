"""A picture for an attachment in a list: the image itself if it is small, else a blank one, as Mailpit has it.

Nothing is decoded or scaled here: an image of a few octets can unpack to gigabytes, and browsers scale by themselves.
"""

WIDTH, HEIGHT = 180, 120
LARGEST = 256 * 1024
KINDS = {"image/png", "image/jpeg", "image/gif", "image/webp"}


def thumb(kind: str, content: bytes) -> tuple[str, bytes]:
    """The media type and the octets of the picture for a part."""
    if kind in KINDS and len(content) <= LARGEST:
        return kind, content
    return "image/jpeg", BLANK


def _blank() -> bytes:
    """A white JPEG (ITU-T T.81): one grey component, blocks of 8 x 8, Huffman tables with only what it needs."""
    blocks = -(-WIDTH // 8) * -(-HEIGHT // 8)
    # Category 7 and 127 (white) for the first block, no difference for the others, and no detail in any.
    bits = "10" + "1111111" + "0" + "00" * (blocks - 1)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = b"\x08" + HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big") + b"\x01\x01\x11\x00"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, b"\x00" + b"\x08" * 64),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + bytes([1, 1, *[0] * 14]) + bytes([0, 7])),
            _segment(0xC4, b"\x10" + bytes([1, *[0] * 15]) + bytes([0])),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            data,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


BLANK = _blank()

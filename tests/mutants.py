"""Damaged and hostile variants of files, from a random generator: what a fuzz test feeds to the program."""

from __future__ import annotations

import json
import random
from typing import Any, Final

INTERESTING: Final = (
    b"\0",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\n",
    b'"',
    b"[" * 64,
    b"%s%n",
    b"\x1b[2J",
)
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 1, 3, 10**9, 10**30, -(10**18), 1.5, 1e308, float("inf"), float("nan")),
    *("", "a", "0", "1/0", "s8b", "../x", "/etc/passwd", "a\0b", "\x1b[2J", "\ud800", "9" * 5000, "x" * 3000),
    *([], {}, [[]], [["s8b", 1]], [["s8b", "x"]], [["s8b", 3, 1e400]], {"a": {}}, [1, 2, 3], [None]),
)


def mutant_bytes(content: bytes, chance: random.Random) -> bytes:
    """A few bytes are changed, taken out, doubled or put in, or the end is missing."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        at = chance.randrange(len(damaged) + 1)
        length = chance.choice((1, 2, 4, 30))
        match chance.randrange(5):
            case 0 if at < len(damaged):
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                damaged[at : at + length] = chance.randbytes(length)
            case 2:
                del damaged[at : at + length]
            case 3:
                damaged[at:at] = damaged[max(0, at - length) : at]
            case 4:
                interesting = chance.choice(INTERESTING)
                damaged[at : at + len(interesting)] = interesting
    return bytes(damaged[: chance.randrange(len(damaged) + 1)] if chance.random() < 0.2 else damaged)


def mutant_record(record: dict[str, Any], names: list[str], chance: random.Random) -> dict[str, Any]:
    """Some values of a record are others, of any type; some keys are missing or new."""
    changed = dict(record)
    for _ in range(chance.choice((1, 1, 2, 4))):
        name = chance.choice(names)
        if chance.random() < 0.1:
            changed.pop(name, None)
        else:
            changed[name] = chance.choice(VALUES)
    return changed


def mutant_json(record: dict[str, Any], names: list[str], chance: random.Random) -> str:
    """A record as text, sometimes damaged as text, or nested more deeply than a parser goes."""
    text = json.dumps(mutant_record(record, names, chance))
    if chance.random() < 0.1:
        text = text[:-1] + ', "deep": ' + "[" * chance.choice((300, 900, 100_000))
        text += "]" * text.count("[") + "}" if chance.random() < 0.7 else ""
    if chance.random() < 0.15:
        text = mutant_bytes(text.encode(), chance).decode("latin-1")
    return text


def mutant_toml(names: list[str], chance: random.Random) -> str:
    """Lines of settings with values of any type, sometimes damaged as text."""

    def written(value: Any) -> str:
        if isinstance(value, str):
            return json.dumps(value) if chance.random() < 0.8 else f"'{value}'"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, dict):
            return "{" + ", ".join(f"{name} = {written(each)}" for name, each in value.items()) + "}"
        return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else repr(value)

    lines = [f"{chance.choice(names)} = {written(chance.choice(VALUES))}" for _ in range(chance.randrange(1, 4))]
    if chance.random() < 0.2:
        lines.insert(
            0, chance.choice(("[a.b.c]", "[[x]]", "[" * 3000, "a = " + "[" * 3000, ".".join("a" * 3000) + " = 1"))
        )
    text = "\n".join(lines)
    return mutant_bytes(text.encode(errors="replace"), chance).decode("latin-1") if chance.random() < 0.3 else text


def mutant_playlist(uris: list[str], chance: random.Random) -> str:
    """A playlist of HLS or of libav's concat with some of the names, sometimes damaged as text."""
    names = [chance.choice(uris) for _ in range(chance.randrange(1, 4))]
    if chance.random() < 0.5:
        tags = [
            '#EXT-X-KEY:METHOD=AES-128,URI="{}"',
            '#EXT-X-MAP:URI="{}"',
            "#EXT-X-BYTERANGE:9@{}",
            "#EXT-X-DISCONTINUITY",
        ]
        lines = [f"#EXTINF:{chance.choice(('0.5', '-1', 'nan', '1e30'))},\n{name}" for name in names]
        if chance.random() < 0.3:
            lines.insert(0, chance.choice(tags).format(chance.choice(uris)))
        if chance.random() < 0.2:
            lines.insert(0, f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{chance.choice(uris)}")
        text = (
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
            + "\n".join(lines)
            + chance.choice(("\n", "\n#EXT-X-ENDLIST\n"))
        )
    else:
        text = "ffconcat version 1.0\n" + "\n".join(f"file {name}\nduration {chance.randrange(3)}" for name in names)
    if chance.random() < 0.3:
        text = mutant_bytes(text.encode(), chance).decode("latin-1")
    return text

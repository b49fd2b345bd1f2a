"""Ways to damage a file: in its header rather than its body, by numbers that parsers stumble over."""

import gzip
import random
import re

HEADER = 600
"""Bytes at the start of a file where most of its header stands."""
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40)
"""Lengths and counts at the edges of their types."""
TEXTS = (b"0", b"-1", b"1e99", b"nan", b"99999999999", b"65536", b"", b"../../etc/passwd", b"%d", b"\xff\xfe")
"""What may stand where a number should."""


def mutated(whole: bytes, random_: random.Random) -> bytes:
    """Damage a file in one to four ways; a compressed one inside as often as outside."""
    if whole[:2] == b"\x1f\x8b" and random_.random() < 0.6:
        return gzip.compress(mutated(gzip.decompress(whole), random_), 1)
    damaged = bytearray(whole)
    for _ in range(random_.choice((1, 1, 2, 4))):
        random_.choice(WAYS)(damaged, random_)
    return bytes(damaged)


def _place(data: bytearray, random_: random.Random) -> int:
    return random_.randrange(max(1, min(len(data), HEADER) if random_.random() < 0.7 else len(data)))


def _flip(data: bytearray, random_: random.Random) -> None:
    for _ in range(random_.choice((1, 2, 8))):
        at = _place(data, random_)
        data[at : at + 1] = bytes([random_.randrange(256)])


def _number(data: bytearray, random_: random.Random) -> None:
    at, width = _place(data, random_), random_.choice((1, 2, 4, 8))
    number = random_.choice(NUMBERS) % (1 << (8 * width))
    data[at : at + width] = number.to_bytes(width, random_.choice(("little", "big")))


def _text(data: bytearray, random_: random.Random) -> None:
    if found := list(re.finditer(rb"[0-9.]+", bytes(data[:4000]))):
        where = random_.choice(found)
        data[where.start() : where.end()] = random_.choice(TEXTS)


def _cut(data: bytearray, random_: random.Random) -> None:
    del data[_place(data, random_) :]


def _leave_out(data: bytearray, random_: random.Random) -> None:
    at = _place(data, random_)
    del data[at : at + random_.choice((1, 4, 32))]


def _repeat(data: bytearray, random_: random.Random) -> None:
    at = _place(data, random_)
    data[at:at] = data[at : at + random_.choice((1, 8, 64))] * random_.choice((1, 3))


def _move(data: bytearray, random_: random.Random) -> None:
    one, other = _place(data, random_), _place(data, random_)
    data[one : one + 8] = data[other : other + 8]


WAYS = (_flip, _number, _number, _text, _cut, _leave_out, _repeat, _move)

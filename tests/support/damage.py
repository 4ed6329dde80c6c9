"""Files damaged at random."""

import numpy as np


def damaged(data, rng):
    """Return bytes with bits turned, a piece cut out, copied elsewhere, zeroed or put in, or the end gone."""
    data = bytearray(data)
    kind = rng.integers(7)
    place, length = (int(v) for v in rng.integers(0, max(1, len(data)), 2))
    piece = bytes(data[place : place + 1 + length % 64])
    if kind == 0:
        for i in rng.integers(0, len(data), rng.integers(1, 4)):
            data[i] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        del data[place : place + 1 + length % 64]
    elif kind == 3:
        other = int(rng.integers(0, len(data)))
        data[other : other + len(piece)] = piece
    elif kind == 4:
        data[place:place] = rng.integers(0, 256, 1 + length % 16, np.uint8).tobytes()
    elif kind == 5:
        data[place : place + len(piece)] = bytes(len(piece))
    else:
        data[place : place + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff\xff\xff\xff"])
    return bytes(data)


def outcome(read, path, error):
    """Read a file: "works", or "refused" with its class of errors, which names file and place."""
    try:
        read(path)
    except error as caught:
        told = caught
    else:
        return "works"
    assert type(told) is error
    assert str(told).startswith(f"{path}: {told.place} ")
    assert len(told.place) < 250
    return "refused"

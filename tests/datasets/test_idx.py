import gzip
import struct

import numpy as np
import pytest

from divulge import UnreadableFile
from divulge.datasets.idx import read_idx


def packed(array, kind=8):
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3)])
def test_reads_what_was_written(tmp_path, shape, pack):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "data"
    path.write_bytes(pack(packed(array)))
    result = read_idx(path)
    np.testing.assert_array_equal(result, array)
    assert result.flags.writeable


whole = packed(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            whole[:-1],
            r"data: byte 17 is .* damaged: shape \(2, 3\) takes 18 bytes, the file holds 17",
        ),
        (whole + b"\0", "takes 18 bytes, the file holds 19"),
        (whole[:9], "header ends after 9 of 12 bytes"),
        (b"<html>", "byte 0 is no IDX file's: it starts with b'<htm'"),
        (b"", "data: byte 0 is no IDX file"),
        (packed(np.zeros(3, np.uint8), kind=0x0D), "got type 13"),
        (gzip.compress(whole, mtime=0)[:-9], "data: the file is damaged"),
        (gzip.compress(whole, mtime=0)[:-8] + bytes(8), "data: the file is damaged"),
        (b"\x1f\x8bxxxxxxxxxxxx", "data: the file is damaged"),
    ],
)
def test_damage_is_named(tmp_path, data, message):
    path = tmp_path / "data"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=message):
        read_idx(path)

import numpy as np

from divulge.reference.random import mix64, normal, substream


def test_normal_numbers_are_normal():
    x = normal(substream(mix64(3), 1), 200_001)
    assert len(x) == 200_001
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.005
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.01


def test_streams_differ_and_repeat():
    np.testing.assert_array_equal(normal(5, 7), normal(5, 8)[:7])
    assert len({substream(5, i) for i in range(1000)} | {mix64(i) for i in range(1000)}) == 2000
    assert len(normal(1, 0)) == 0

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.evaluation import unmask


def images(n=6, channels=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, channels, 5, 4, generator=generator, dtype=dtype) for _ in range(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_the_pixels_of_largest_sum(dtype):
    x, a = images(dtype=dtype)
    got = unmask(x, a, 7)
    kept = torch.zeros(6, 20, dtype=torch.bool)
    kept.scatter_(1, a.abs().sum(1).flatten(1).topk(7).indices, True)
    assert torch.equal(got, torch.where(kept.reshape(6, 1, 5, 4), x, 0))
    assert got.dtype == dtype


def test_separate_channels_rank_every_number():
    x, a = images()
    got = unmask(x, a, 7, channels="separate")
    kept = torch.zeros(6, 60, dtype=torch.bool).scatter_(1, a.abs().flatten(1).topk(7).indices, True)
    assert torch.equal(got, torch.where(kept.reshape(x.shape), x, 0))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 19), st.integers(0, 9))
def test_top_and_bottom_share_an_order(k, seed):
    x, a = images()
    a = a.round()  # many equal values
    top, bottom = unmask(x, a, k, seed=seed), unmask(x, a, 20 - k, keep="bottom", seed=seed)
    assert torch.equal(top + bottom, x)
    assert (top[:, 0] != 0).sum((1, 2)).eq(k).all()


def test_a_share_is_rounded_and_all_is_all():
    x, a = images()
    assert torch.equal(unmask(x, a, 0.35), unmask(x, a, 7))
    assert torch.equal(unmask(x, a, 0.001), unmask(x, a, 1))
    assert torch.equal(unmask(x, a, 1.0), x)
    assert torch.equal(unmask(x, a, 20, keep="bottom"), x)


def test_a_constant_attribution_ranks_by_the_seed():
    x, _ = images(200)
    one, again, other = (unmask(x, torch.ones_like(x), 5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one[:, 0] != 0).sum((1, 2)).eq(5).all()
    often = (one[:, 0] != 0).float().mean(0)  # each pixel at 1 in 4
    assert 0.1 < often.min() <= often.max() < 0.4


def test_fills():
    x, a = images()
    gone = unmask(torch.ones_like(x), a, 7) == 0
    mean = x.double().mean((0, 2, 3)).float()
    for fill, expected in (
        ("mean", mean.reshape(1, 3, 1, 1)),
        (0.5, torch.tensor(0.5)),
        (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)),
        (x[1], x[1]),
    ):
        got = unmask(x, a, 7, fill=fill)
        assert torch.equal(got, torch.where(gone, expected.expand_as(x), x))
    flat = x.flatten(1)
    assert torch.allclose(unmask(flat, a.flatten(1), 1, fill="mean")[a.flatten(1).abs().argmin(0)[0], 0],
                          flat[:, 0].mean())  # fmt: skip


def test_no_inputs():
    assert unmask(torch.zeros(0, 3, 5, 4), torch.zeros(0, 3, 5, 4), 2, fill="mean").shape == (0, 3, 5, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "from 1 to 20 coordinates, got 0"),
        ({"k": 21}, "from 1 to 20 coordinates, got 21"),
        ({"k": 61, "channels": "separate"}, "from 1 to 60 coordinates, got 61"),
        ({"k": True}, "got True"),
        ({"k": 0.0}, "a share above 0 and at most 1, or a whole number, got 0.0"),
        ({"k": 1.5}, "got 1.5"),
        ({"k": float("nan")}, "got nan"),
        ({"attribution": torch.zeros(6, 5, 4)}, r"shape \(6, 3, 5, 4\), got \(6, 5, 4\)"),
        ({"attribution": torch.zeros(6, 3, 5, 4, dtype=torch.int64)}, "got torch.int64"),
        ({"attribution": torch.full((6, 3, 5, 4), torch.nan)}, "finite attributions"),
        ({"keep": "middle"}, "got 'middle'"),
        ({"fill": "noise"}, "got 'noise'"),
        ({"fill": torch.zeros(4)}, r"got \(4,\)"),
        ({"channels": "mixed"}, "got 'mixed'"),
    ],
)
def test_refuses_what_cannot_be(change, message):
    x, a = images()
    with pytest.raises(ValueError, match=message):
        unmask(**{"inputs": x, "attribution": a, "k": 3, **change})

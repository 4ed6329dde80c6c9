"""Networks written into bits and read back."""

import copy
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from divulge.bits import Code, decode, encode
from divulge.bits.candidates import candidates, quantiles
from divulge.bits.code import places_of
from divulge.bits.weights import Weights
from divulge.datasets import Dataset, digits
from divulge.errors import UnreadableFile, UnsupportedModel
from divulge.training import mlp, train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def victim(data):
    return train_classifier([16], data, dtype=torch.float32, epochs=15)


@pytest.fixture(scope="module")
def code(victim, data):
    return encode(victim, data, bits=3000, block_bits=10, steps=600, seed=3)


def same(one, other):
    """Whether two modules have the same parameters and buffers, bit for bit."""
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and x.dtype == y.dtype and torch.equal(x, y) for (a, x), (b, y) in pairs)


def agreement(one, other, data):
    inputs = data.test_inputs.float()
    return float((one(inputs).argmax(1) == other(inputs).argmax(1)).double().mean())


def test_a_file_alone_rebuilds_the_network_bit_for_bit(code, victim, data, tmp_path):
    code.save(tmp_path / "digits.bits")
    assert (tmp_path / "digits.bits").stat().st_size * 8 == code.bits <= 3000
    found = decode(tmp_path / "digits.bits")
    assert same(found, decode(code))
    assert [type(layer) for layer in found] == [type(layer) for layer in victim]
    assert agreement(found, victim, data) > 0.9  # three bits of a thousand weights, a tenth by chance


def test_the_same_seed_writes_the_same_code(code, victim, data):
    again = encode(victim, data, bits=3000, block_bits=10, steps=600, seed=3)
    assert again.to_bytes() == code.to_bytes()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert encode(victim, data, bits=3000, block_bits=10, steps=600, seed=3).to_bytes() == code.to_bytes()
    finally:
        torch.set_num_threads(threads)
    assert encode(victim, data, bits=3000, block_bits=10, steps=600, seed=4).to_bytes() != code.to_bytes()


def test_the_module_and_the_random_state_stay_as_they_are(victim, data):
    before, state = copy.deepcopy(victim), torch.random.get_rng_state()
    encode(victim, data, bits=1500, block_bits=4, steps=5)
    assert same(before, victim)
    assert torch.equal(state, torch.random.get_rng_state())


def test_more_bits_agree_more(victim, data):
    reached = [
        agreement(decode(encode(victim, data, bits=bits, block_bits=10, steps=500)), victim, data)
        for bits in (1300, 6000)
    ]
    assert reached[0] + 0.1 < reached[1]


def test_a_prior_that_is_nearly_right_needs_few_bits(victim, data):
    near = copy.deepcopy(victim)
    with torch.no_grad():
        near[1].weight += 0.02 * torch.randn(near[1].weight.shape, generator=torch.Generator().manual_seed(0))
    code = encode(victim, data, bits=1200, block_bits=8, prior=near, steps=300)
    assert agreement(decode(code, prior=near), victim, data) > 0.95
    with pytest.raises(ValueError, match="expected prior="):
        decode(code)
    with pytest.raises(ValueError, match="the prior is another"):
        decode(code, prior=victim)
    with pytest.raises(ValueError, match="other shapes"):
        decode(code, prior=mlp((64,), [15], 10), into=victim)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precisions_and_buffers_come_back(dtype, data):
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, dtype=dtype),
        nn.BatchNorm2d(3, dtype=dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 10, dtype=dtype),
    )
    images = [
        torch.as_tensor(part).reshape(-1, 1, 8, 8)
        for part in (data.train_inputs[:200], data.test_inputs[:50])
    ]
    small = Dataset("few", images[0], data.train_targets[:200], images[1], data.test_targets[:50])
    module(images[0].to(dtype))
    code = encode(module, small, bits=4000, block_bits=6, steps=20)
    with pytest.raises(ValueError, match="into="):
        decode(code)
    found = decode(code, into=module)
    assert found[0].weight.dtype == dtype
    assert torch.equal(found[1].running_var, module[1].running_var)
    assert found[1].num_batches_tracked == 1
    with pytest.raises(ValueError, match="buffers"):
        decode(code, into=nn.Sequential(module[0], nn.GroupNorm(3, 3, dtype=dtype), *module[2:]))


def test_any_candidate_is_had_without_those_before_it():
    whole = candidates(5, 2, 13, 0, 40)
    assert whole.shape == (40, 13)
    for k in (0, 1, 17, 39):
        np.testing.assert_array_equal(candidates(5, 2, 13, k, 1)[0], whole[k])
    assert not np.array_equal(candidates(5, 3, 13, 0, 1)[0], whole[0])
    assert not np.array_equal(candidates(6, 2, 13, 0, 1)[0], whole[0])


def test_candidates_are_the_same_on_every_machine():
    many = candidates(0, 0, 50, 0, 4000)
    assert abs(many.mean()) < 0.01
    assert abs(many.std() - 1) < 0.01
    # what a file that was written elsewhere relies on
    np.testing.assert_array_equal(candidates(1, 2, 3, 4, 1)[0] * 4096, CANDIDATE)
    assert zlib.crc32((quantiles() * 4096).astype("<i4").tobytes()) == QUANTILES


CANDIDATE = [-6381, -496, 3074]
QUANTILES = 747931841


@pytest.mark.parametrize(("count", "blocks"), [(7, 3), (12, 4), (5, 5), (9, 1)])
def test_every_weight_is_in_one_block(count, blocks):
    places = places_of(count, blocks, 11)
    assert sorted(places[places >= 0].tolist()) == list(range(count))
    used = (places >= 0).sum(dim=1)
    assert used.max() - used.min() <= 1
    assert used.min() >= 1


@pytest.mark.parametrize("cut", [3, 20, -1])
def test_a_damaged_file_is_named(code, tmp_path, cut):
    path = tmp_path / "cut.bits"
    path.write_bytes(code.to_bytes()[:cut])
    with pytest.raises(UnreadableFile, match=r"cut\.bits"):
        decode(path)


def test_no_flipped_byte_decodes_without_a_word(code, tmp_path):
    content, path = code.to_bytes(), tmp_path / "flipped.bits"
    true = decode(code)
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        try:
            found = decode(path)
        except UnreadableFile:
            continue
        assert same(found, true), f"byte {place} changed the network"


def test_bad_arguments_are_named(victim, data):
    with pytest.raises(ValueError, match=r"expected at least \d+ bits.*got 100"):
        encode(victim, data, bits=100)
    with pytest.raises(ValueError, match="from 1 to 20, got 30"):
        encode(victim, data, bits=5000, block_bits=30)
    with pytest.raises(ValueError, match="got 0 and 128"):
        encode(victim, data, bits=5000, steps=0)
    with pytest.raises(ValueError, match="seed from 0"):
        encode(victim, data, bits=5000, seed=-1)
    with pytest.raises(ValueError, match="other shapes"):
        encode(victim, data, bits=5000, prior=mlp((64,), [15], 10))
    with pytest.raises(UnsupportedModel, match="no"):
        encode(nn.Sequential(nn.Flatten()), data, bits=5000)
    mixed = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 10).double())
    with pytest.raises(UnsupportedModel, match=r"float32, torch\.float64"):
        encode(mixed, data, bits=5000)
    broken = copy.deepcopy(victim)
    with torch.no_grad():
        broken[1].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"expected finite weights, got a NaN or an infinity in 1\.weight"):
        encode(broken, data, bits=5000)
    with pytest.raises(ValueError, match=r"expected finite weights, .* in 1\.weight"):
        encode(victim, data, bits=5000, prior=broken)
    with torch.no_grad():
        broken[1].weight.fill_(3e38)
    with pytest.raises(ValueError, match="answer on input 0"):
        encode(broken, data, bits=5000)
    empty = Dataset(
        "none", data.train_inputs[:0], data.train_targets[:0], data.test_inputs, data.test_targets
    )
    with pytest.raises(ValueError, match="training inputs in none"):
        encode(victim, empty, bits=5000)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_module_is_refused(victim, data):
    with pytest.raises(UnsupportedModel, match="got a scripted one"):
        encode(torch.jit.script(victim), data, bits=5000)


def test_a_single_logit_and_one_block(data):
    two = (torch.as_tensor(data.train_targets) < 2).nonzero()[:, 0]
    part = Dataset(
        "two",
        data.train_inputs[two],
        data.train_targets[two],
        data.train_inputs[two],
        data.train_targets[two],
    )
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False))
    code = encode(module, part, bits=Weights(module).count * 100, block_bits=20, steps=3)
    assert len(code.indices) == 64
    assert decode(code)[1].weight.shape == (1, 64)
    assert Code.from_bytes(code.to_bytes()).bits == code.bits


def test_a_file_is_no_longer_than_asked_for_in_whole_bytes(victim, data):
    # 7 bits a block fill one byte, 14 take two: 7 bits more than one block needs are no room for another
    for bits in range(1984, 1992):
        assert encode(victim, data, bits=bits, block_bits=7, steps=1).bits <= bits


def hooked(module):
    module[2].register_forward_hook(lambda layer, given, out: out + 1)


def tied(module):
    module[3].weight = module[1].weight


def with_a_buffer(module):
    module.register_buffer("beside", torch.ones(3, dtype=torch.bfloat16))


@pytest.mark.parametrize("change", [hooked, tied, with_a_buffer])
def test_a_chain_that_does_more_than_its_layers_say_is_not_described(data, change):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    change(module)
    code = encode(module, data, bits=1500, block_bits=4, steps=2)
    with pytest.raises(ValueError, match="the code is of no chain of usual layers"):
        decode(code)
    found = decode(code, into=module)
    assert len(found.state_dict()) == len(module.state_dict())
    for (_, one), (_, other) in zip(found.named_buffers(), module.named_buffers(), strict=True):
        assert torch.equal(one, other)

import numpy as np
import pytest

from divulge.backdoors import backdoor_scan


def test_a_scan_of_one_source_leaves_it_out(backdoored, data):
    scan = backdoor_scan(backdoored, data.train_inputs, source=5)
    assert scan.source == 5
    assert np.nanargmin(scan.sizes) == np.nanargmax(scan.anomaly_index) == 3
    assert scan.triggers[5].size == 0
    assert np.isnan([scan.sizes[5], scan.anomaly_index[5], scan.success[5], scan.extents[5]]).all()
    assert len(scan.to_frame()) == len(scan.triggers) == 10


@pytest.mark.parametrize(
    ("images", "source", "message"),
    [
        (slice(None), 10, "expected a source from 0 to 9, got 10"),
        (slice(50), 5, "expected at least 24 images that are taken for class 5, got"),
        (None, 5, "expected data to take the images of class 5 from, got none"),
    ],
)
def test_a_source_that_cannot_be(backdoored, data, images, source, message):
    with pytest.raises(ValueError, match=message):
        backdoor_scan(
            backdoored, None if images is None else data.train_inputs[images], shape=(1, 8, 8), source=source
        )

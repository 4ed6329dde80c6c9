"""What a certificate says."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.certificate import Certificate, Sample


def test_it_counts_answers_and_bounds_the_share():
    certificate = Certificate((Sample("standard normal", 300, 1e-12), Sample("far out", 8, 2e-11)), 1e-5)
    assert certificate.answers == 308
    assert certificate.error == 2e-11
    assert certificate.share == 0.01
    assert (1 - certificate.share) ** 300 < 0.05


def test_it_is_printed_in_plain_words():
    certificate = Certificate((Sample("standard normal", 300, 1e-12), Sample("far out", 8, 2e-11)), 1e-5)
    assert str(certificate) == (
        "308 fresh answers (300 standard normal, 8 far out), the worst off by 2.0e-11; with 95% confidence "
        "fewer than 1% of standard normal inputs are off by more; units with hyperplanes within 1e-05 of "
        "each other may pass for one"
    )


def test_nothing_asked_certifies_nothing():
    assert Certificate().error == np.inf
    assert Certificate().share == 1.0
    assert str(Certificate()) == "no fresh answer was asked for"


def test_few_answers_say_little():
    assert Certificate((Sample("standard normal", 2, 0.0),)).share == 1.0


def test_more_answers_about_one_copy_are_counted_together():
    first = Certificate((Sample("standard normal", 300, 1e-12), Sample("far out", 8, 2e-11)), 1e-5)
    more = Certificate((Sample("standard normal", 100, 3e-12), Sample("where hyperplanes meet", 5, 1e-13)))
    both = first.and_more(more)
    assert both.samples == (
        Sample("standard normal", 400, 3e-12),
        Sample("far out", 8, 2e-11),
        Sample("where hyperplanes meet", 5, 1e-13),
    )
    assert both.apart == 1e-5


def test_more_answers_leave_out_what_either_did():
    told = Sample("standard normal", 300, 1e-12)
    assert Certificate((told,)).and_more(Certificate((told,), left_out=0.5)).left_out == 0.5
    assert Certificate((told,), left_out=0.5).and_more(Certificate((told,))).left_out == 0.5

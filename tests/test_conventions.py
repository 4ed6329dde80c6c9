import pytest

from divulge.conventions import check_jobs


@pytest.mark.parametrize("jobs", [-1, 1, 2, 64])
def test_numbers_of_processes(jobs):
    check_jobs(jobs)


@pytest.mark.parametrize("jobs", [0, -2])
def test_others_are_named(jobs):
    with pytest.raises(ValueError, match=f"^expected jobs of at least 1, or -1 .*, got {jobs}$"):
        check_jobs(jobs)

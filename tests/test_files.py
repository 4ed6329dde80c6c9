import os

import pytest

from divulge.files import replacing


def test_a_whole_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["result.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_one(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")

    def write_half():
        with replacing(str(path)) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "result.txt"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_modes_and_links_are_those_of_any_other_file(tmp_path):
    plain, link, target = (tmp_path / name for name in ("plain", "link", "target"))
    plain.write_text("")
    target.write_text("")
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"through")
    assert link.is_symlink()
    assert target.read_text() == "through"
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_device_is_written_to():
    with replacing(os.devnull) as file:
        file.write(b"nothing")
    assert not os.path.isfile(os.devnull)
    assert os.path.exists(os.devnull)


def test_the_path_is_named(tmp_path):
    path = tmp_path / "nowhere" / "result.txt"
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        pass
    assert caught.value.filename == str(path)

import os
import pickle

import pytest

from divulge import UnreadableFile
from divulge.files import check_size, most_bytes, reading, replacing


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


class Broken(UnreadableFile):
    """A kind of file that is damaged."""


def read_badly(path, error):
    with reading(path, "list", Broken):
        raise error


@pytest.mark.parametrize("error", [ValueError("no\nlist"), KeyError(), MemoryError(), OSError(22, "seek")])
def test_whatever_goes_wrong_while_reading_is_of_one_class(error):
    with pytest.raises(Broken, match=r"^a: the file is damaged, or no list: [^\n]+$") as caught:
        read_badly("a", error)
    assert (caught.value.path, caught.value.place) == ("a", "the file")


def test_a_place_that_is_known_is_kept():
    with pytest.raises(Broken, match=r"^a: byte 3 is odd$") as caught:
        read_badly("a", UnreadableFile("a", "byte 3", "is odd"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.place, again.reason) == ("a: byte 3 is odd", "byte 3", "is odd")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "none", "a"), OSError(5, "disk"), KeyboardInterrupt()]
)
def test_what_the_system_says_passes(error):
    with pytest.raises(type(error)):
        read_badly("a", error)


def test_what_a_file_declares_is_held_against_its_size(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    assert most_bytes(path) == 2**26 + 16_000
    check_size(path, "the table", 2**26 + 16_000)
    with pytest.raises(UnreadableFile, match="a: the table declares 67124865 bytes, in a file of 1000"):
        check_size(path, "the table", 2**26 + 16_001)

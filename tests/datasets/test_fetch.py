import pooch
import pytest

from divulge.datasets.fetch import SOURCES, locate

FILE = "t10k-labels-idx1-ubyte.gz"


def test_own_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    plain = tmp_path / "mnist" / FILE.removesuffix(".gz")
    plain.touch()
    assert locate("mnist", FILE) == plain
    (tmp_path / "mnist" / FILE).touch()
    assert locate("mnist", FILE) == tmp_path / "mnist" / FILE


@pytest.mark.parametrize("own", [None, "", "/nowhere"])
def test_then_cache_or_download(tmp_path, monkeypatch, own):
    if own is None:
        monkeypatch.delenv("DIVULGE_DATA", raising=False)
    else:
        monkeypatch.setenv("DIVULGE_DATA", own)
    asked = []

    def retrieve(*args):
        asked.append(args)
        return str(tmp_path / "found")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    assert locate("fashion-mnist", FILE) == tmp_path / "found"
    ((url, known_hash, name, folder),) = asked
    assert url == f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{FILE}"
    assert known_hash == SOURCES["fashion-mnist"].hashes[FILE]
    assert (name, folder) == (FILE, tmp_path / "divulge" / "fashion-mnist")


def test_a_failed_download_says_what_was_tried(tmp_path, monkeypatch):
    def retrieve(*args):
        raise OSError("no route to host")

    monkeypatch.delenv("DIVULGE_DATA", raising=False)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(FileNotFoundError, match=rf"mnist/{FILE} is neither .* https://.* failed: no route"):
        locate("mnist", FILE)

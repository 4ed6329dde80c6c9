"""Where data files come from: the user's folder, the cache, or a download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A published set of files.

    Attributes:
        url: where the files are, ending in a slash.
        hashes: the hash of each file as published, "sha256:..." or "md5:...".
    """

    url: str
    hashes: dict[str, str]


SOURCES = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": (
                "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            "train-labels-idx1-ubyte.gz": (
                "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        },
    ),
    "cifar10": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    ),
    # Zalando publishes MD5 sums.
    "fashion-mnist": Source(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}


def locate(name: str, file: str) -> Path:
    """Return the path of one file of a data set.

    Looked for in this order: the folder `name` inside the folder that the environment's DIVULGE_DATA
    names, with or without the suffix .gz; the user's cache; a download into that cache, checked against
    the published hash.

    Raises:
        FileNotFoundError: it is in none of these places.
    """
    return own_file(name, file, file.removesuffix(".gz")) or _download(name, file)


def own_file(name: str, *files: str) -> Path | None:
    """Return the first of these files that the user's own folder, $DIVULGE_DATA/name, holds."""
    own = os.environ.get("DIVULGE_DATA")
    paths = [Path(own, name, file) for file in files] if own else []
    return next((path for path in paths if path.is_file()), None)


def _download(name: str, file: str) -> Path:
    """Return one file from the user's cache, downloading it where it is missing."""
    import pooch

    source = SOURCES[name]
    folder = Path(pooch.os_cache("divulge"), name)
    try:
        return Path(pooch.retrieve(source.url + file, source.hashes[file], file, folder))
    except Exception as error:
        raise FileNotFoundError(
            f"{name}/{file} is neither in $DIVULGE_DATA nor in {folder}, "
            f"and downloading {source.url}{file} failed: {error}"
        ) from None  # the chain below holds nothing but the layers of a connection

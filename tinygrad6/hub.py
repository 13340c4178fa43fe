"""torch.hub: weights by their address, kept in PyTorch's cache, so that what it downloaded is found.

    state = torch.hub.load_state_dict_from_url("https://.../resnet18-f37072fd.pth")

The file is read as by `load`: nothing in it is run. Models whose code is in somebody's repository
(`hub.load`) are not fetched.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import zipfile
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from tinygrad6.files import replaced
from tinygrad6.serialization import load as _load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "load_url", "set_dir"]
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # in names such as resnet18-f37072fd.pth
_PART = 1 << 16
_dir: str | None = None


def get_dir() -> str:
    """The folder of the cache: what set_dir was given, else hub/ in $TORCH_HOME, $XDG_CACHE_HOME/torch or
    ~/.cache/torch."""
    if _dir is not None:
        return _dir
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", cache)), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Choose the folder of the cache."""
    global _dir
    _dir = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetch a file. `dst` is complete, or not there; an older one is kept until the new one is whole.

    progress: say on stderr how much has come. RuntimeError if the sha256 of what came does not begin with
    hash_prefix; the errors of urllib if nothing comes.
    """
    request = Request(url, headers={"User-Agent": "torch.hub"})
    with urlopen(request) as source, replaced(os.path.expanduser(dst)) as file:
        whole = int(source.headers.get("Content-Length") or 0)
        digest, came = hashlib.sha256(), 0
        while part := source.read(_PART):
            file.write(part)
            digest.update(part)
            came += len(part)
            if progress:
                shown = f"{100 * came / whole:.1f}%" if whole else f"{came} bytes"
                print(f"\r{shown}", end="", file=sys.stderr, flush=True)
        if progress:
            print(file=sys.stderr)
        if hash_prefix and digest.hexdigest()[: len(hash_prefix)] != hash_prefix:
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """What the file at `url` holds, fetched into model_dir (checkpoints/ in get_dir()) unless it is there.

    check_hash: the name ends in the beginning of the file's sha256, as in resnet18-f37072fd.pth, which is
    checked. file_name: the name in the cache, if it is not that in the address. A zip file that is no
    checkpoint is looked into for the one it holds. map_location and weights_only are those of `load`.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print(f'Downloading: "{url}" to {path}', file=sys.stderr)
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not any(n.endswith("data.pkl") for n in names):  # a packed file, as in PyTorch before 1.6
                if len(names) != 1:
                    raise RuntimeError("Only one file(not dir) is allowed in the zipfile")
                return _load(io.BytesIO(archive.read(names[0])), map_location, weights_only=weights_only)
    return _load(path, map_location, weights_only=weights_only)


load_url = load_state_dict_from_url  # in torch.utils.model_zoo


def __getattr__(name: str) -> Any:
    if name not in ("load", "list", "help"):
        raise AttributeError(f"module 'tinygrad6.hub' has no attribute {name!r}")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"torch.hub.{name}(): code of repositories is not fetched: define the model, and load its "
            "weights with load_state_dict_from_url()"
        )

    return refuse

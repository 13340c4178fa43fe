"""torch.hub: weights by address, from files here, and PyTorch's cache."""

from __future__ import annotations

import hashlib
import os
import zipfile

import pytest
from helpers import pytorch, same

import tinygrad6


@pytest.fixture
def weights(tmp_path):
    """The address of a state_dict, and its sha256."""
    path = tmp_path / "net.pth"
    tinygrad6.save({"w": tinygrad6.arange(3.0), "n": 3}, path)
    return path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()


def listed(folder):
    return sorted(os.listdir(folder))


def test_fetched_once(weights, tmp_path):
    def run(torch):
        folder = tmp_path / torch.__name__
        first = torch.hub.load_state_dict_from_url(weights[0], str(folder), progress=False)
        again = torch.hub.load_state_dict_from_url("file:///nowhere/net.pth", str(folder))  # it is there
        named = torch.hub.load_state_dict_from_url(weights[0], str(folder), file_name="x.pth", progress=False)
        return [first, again, named, listed(folder)]

    same(run)


def test_hashes(weights, tmp_path):
    url, digest = weights

    def run(torch, name):
        folder = tmp_path / torch.__name__ / name
        kept = {"check_hash": True, "progress": False, "file_name": name}
        return [torch.hub.load_state_dict_from_url(url, str(folder), **kept), listed(folder)]

    same(run, name=f"net-{digest[:8]}.pth")
    same(run, name="net-00000000.pth")
    same(run, name="net.pth")
    assert listed(tmp_path / "tinygrad6" / "net-00000000.pth") == [], "nothing is left of what is not right"


def test_downloads(weights, tmp_path, capsys):
    target = tmp_path / "copy.pth"
    target.write_text("before")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        tinygrad6.hub.download_url_to_file(weights[0], str(target), "0000")
    assert target.read_text() == "before"
    tinygrad6.hub.download_url_to_file(weights[0], str(target), weights[1])
    assert "100.0%" in capsys.readouterr().err
    assert tinygrad6.load(target)["n"] == 3
    same(lambda torch: torch.hub.download_url_to_file("file:///nowhere", str(target), progress=False))


def test_packed(weights, tmp_path):
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(tmp_path / "net.pth", "net.pth")
    state = tinygrad6.hub.load_state_dict_from_url(packed.as_uri(), str(tmp_path / "a"), progress=False)
    assert state["w"].tolist() == [0.0, 1.0, 2.0]


def test_folders(monkeypatch, tmp_path):
    def run(torch):
        found = []
        for given in ({"TORCH_HOME": "/a"}, {"XDG_CACHE_HOME": "/b"}, {}):
            with monkeypatch.context() as m:
                for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
                    m.delenv(name, raising=False)
                for name, value in given.items():
                    m.setenv(name, value)
                found.append(torch.hub.get_dir())
        return found

    same(run)
    tinygrad6.hub.set_dir(tmp_path)
    assert tinygrad6.hub.get_dir() == str(tmp_path)
    tinygrad6.hub._dir = None


def test_repositories_are_not_fetched():
    with pytest.raises(NotImplementedError, match="define the model"):
        tinygrad6.hub.load("pytorch/vision", "resnet18")
    assert callable(pytorch().hub.load)

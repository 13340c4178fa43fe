"""save and load: nests come back as they were, and writing is atomic.

The number of kills is small by default; HYPOTHESIS_PROFILE=intense asks for 200.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import io
import json
import multiprocessing
import os
import pathlib
import pickle
import random
import resource
import signal
import struct
import sys
import time
from pickle import UnpicklingError

import numpy as np
import pytest
from checkpoints import INTENSE, packed, same, through, zipped
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6 import nn, safetensors

# ---- round trips

TENSORS = st.builds(
    lambda shape, kind, grad: (
        torch.ones(shape).mul(3).to(kind).requires_grad_(grad and kind.is_floating_point)
    ),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(
        [torch.float16, torch.float32, torch.float64, torch.int8, torch.int64, torch.uint8, torch.bool]
    ),
    st.booleans(),
)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**3000), 2**3000),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    TENSORS,
    st.sampled_from(
        [torch.float16, torch.bool, torch.device("cpu"), torch.device("cpu", 0), torch.Size([2, 3])]
    ),
    st.sampled_from(
        [np.arange(3.0), np.ones((2, 3), ">i4").T, np.float64(1.5), np.int8(-3), np.bool_(True), np.zeros(())]
    ),
)
KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(),
    st.floats(allow_nan=False),
    st.tuples(st.integers(), st.text(max_size=2)),
)
NESTS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
        st.lists(st.text(max_size=1), max_size=3).map(collections.Counter),
    ),
    max_leaves=12,
)


@given(NESTS)
def test_nests_come_back(value):
    if isinstance(value, np.ndarray) and value.dtype.byteorder == ">":
        value = value.astype("<i4")
    assert same(through(value), value) or ">" in str(getattr(value, "dtype", ">"))


def test_shared_memory_is_shared_again():
    base = torch.arange(12.0).reshape(3, 4)
    row, column, twice = base[1], base.t()[2], base
    got = through([base, row, column, twice, [base]])
    got[0][1, 2] = 100
    assert got[1][2] == 100 and got[2][1] == 100 and got[3] is got[0] and got[4][0] is got[0]
    assert got[2].stride() == column.stride()


def test_layouts_that_storages_do_not_have_are_copied():
    array = np.arange(6.0)[::-1]
    assert through(torch.from_numpy(array)).tolist() == array.tolist()
    assert through(torch.from_numpy(np.broadcast_to(np.float32(2), (3,)).copy()[::2])).tolist() == [2, 2]
    wide = torch.ones(3).expand(2, 3)
    assert through(wide).tolist() == wide.tolist()


def test_containers_can_hold_themselves():
    value = []
    value.append({"me": value})
    got = through(value)
    assert got[0]["me"] is got


def test_a_model_comes_back(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    for options in (
        {},
        {"mmap": True},
        {"map_location": "cpu"},
        {"weights_only": True},
        {"weights_only": False},
    ):
        state = torch.load(tmp_path / "model.pt", **options)
        assert state._metadata == model.state_dict()._metadata
        other.load_state_dict(state)
        for a, b in zip(model.state_dict().values(), other.state_dict().values()):
            assert torch.equal(a, b)
    p = through(nn.Parameter(torch.ones(2), requires_grad=False))
    assert type(p) is nn.Parameter and not p.requires_grad


def test_mapped_tensors_can_be_written_without_changing_the_file(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch.zeros(3), path)
    before = path.read_bytes()
    got = torch.load(path, mmap=True)
    got.add_(1)
    assert path.read_bytes() == before and got.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "array",
    ["", "x" * 300, "é\ud800", b"\xff" * 300, 2**2040, -(2**31), 2**31, -(2**2039), [], {}, (), set()],
)
def test_edges(array):
    assert same(through(array), array)


@pytest.mark.parametrize(
    "value, place",
    [
        (type("Local", (nn.Linear,), {})(1, 1), "state_dict"),
        ({"a": [1, lambda: 0]}, r"\['a'\]\[1\]"),
        ({"f": len}, r"\['f'\]"),
        ([iter([])], r"\[0\]"),
        (np.array([object()]), "ndarray"),
        ({(1, (2, (3, (4, (5,))))): 0}, "tuple"),
        ({"a": type("Namespace", (), {"__dict__": {}})()}, r"Namespace at \['a'\]"),
        (type("Name", (str,), {})("x"), "Name"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_the_file_is_touched(tmp_path, value, place):
    path = tmp_path / "old.pt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match=place):
        torch.save(value, path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["old.pt"]


def test_nesting_too_deep_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(TypeError, match="deep"):
        torch.save(value, io.BytesIO())


def test_options_that_are_not_supported_say_so():
    for options in (
        {"pickle_protocol": 4},
        {"pickle_module": pickle},
        {"_use_new_zipfile_serialization": False},
    ):
        with pytest.raises(NotImplementedError):
            torch.save(1, io.BytesIO(), **options)
    with pytest.raises(NotImplementedError):
        torch.load(io.BytesIO(packed(1)), encoding="latin1")
    with pytest.raises(ValueError, match="path"):
        torch.load(io.BytesIO(packed(1)), mmap=True)
    with pytest.raises(RuntimeError, match="(?i)cuda"):
        torch.load(io.BytesIO(packed(1)), map_location="cuda")


# ---- writing


def test_a_file_is_whole_or_not_there_when_writing_fails(tmp_path):
    path = tmp_path / "a.pt"
    torch.save([1], path)
    os.chmod(path, 0o640)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError):
            torch.save(torch.ones(100_000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.pt"]
    torch.save([2], path)
    assert os.stat(path).st_mode & 0o777 == 0o640


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_an_error():
    with pytest.raises(OSError):
        torch.save(torch.ones(100_000), "/dev/full")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.pt").symlink_to(tmp_path / "folder" / "real.pt")
    torch.save([3], tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink() and torch.load(tmp_path / "folder" / "real.pt") == [3]


def test_ctrl_c_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    torch.save([1], path)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        torch.save([2], path)
    assert torch.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]


def save_for_ever(path, other, n):
    while True:
        n += 1
        torch.save({"n": n, "w": torch.full((200_000,), float(n))}, path)
        safetensors.save_file({"w": torch.full((200_000,), float(n))}, other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path, other = tmp_path / "a.pt", tmp_path / "a.safetensors"
    rng, n, left_over = random.Random(0), 0, set()
    torch.save({"n": 0, "w": torch.zeros(1)}, path)
    safetensors.save_file({"w": torch.zeros(1)}, other)
    for _ in range(200 if INTENSE else 20):
        process = multiprocessing.get_context("fork").Process(target=save_for_ever, args=(path, other, n))
        process.start()
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.join()
        state = torch.load(path)
        n = state["n"]
        assert set(state["w"].tolist()) == {float(n)}
        assert len(set(safetensors.load_file(other)["w"].tolist())) == 1
        left_over |= {p for p in tmp_path.iterdir() if p not in (path, other)}
    assert n > 0
    assert all(p.name.startswith(".a.") and p.suffix == ".tmp" for p in left_over)


# ---- objects


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.LazyLinear(4))
        self.rnn, self.layer = nn.GRU(4, 4), nn.TransformerEncoderLayer(4, 2, 8, 0.0, nn.functional.gelu)
        self.tied, self.scale, self.act = self.rnn, 2.0, torch.tanh
        self.register_buffer("step", torch.tensor(3), persistent=False)

    def forward(self, x):
        return self.act(self.layer(self.tied(self.inner(x)[None])[0])) * self.scale


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    sizes: list = dataclasses.field(default_factory=lambda: [1, 2])


class Color(enum.Enum):
    RED = 1


Pair = collections.namedtuple("Pair", "a b")


class Bag(dict):
    pass


class Slotted:
    __slots__ = ("a",)


def test_a_whole_model_comes_back_where_the_file_is_trusted():
    net, x = Net(), torch.randn(3, 2, 5)
    net(x)
    got = through(net, weights_only=False)
    assert torch.equal(got.eval()(x), net.eval()(x)) and got.tied is got.rnn and got.act is torch.tanh
    assert [p.requires_grad for p in got.parameters()] == [True] * len(list(net.parameters()))
    assert got.step == 3 and "step" not in got.state_dict()
    got.inner[0].weight.data.zero_()
    assert not torch.equal(got(x), net(x))
    for options in ({}, {"weights_only": True}):
        with pytest.raises(UnpicklingError, match="Net.*weights_only=False"):
            through(net, **options)


def test_an_optimizer_and_its_model_come_back_together():
    net = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)

    def step(net, optimizer, scheduler):
        optimizer.zero_grad()
        net(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        scheduler.step()
        return net.weight.tolist(), scheduler.get_last_lr()

    step(net, optimizer, scheduler)
    twins = through((net, optimizer, scheduler), weights_only=False)
    assert twins[1].param_groups[0]["params"][0] is twins[0].weight
    assert step(*twins) == step(net, optimizer, scheduler)


def test_objects_of_many_kinds_come_back():
    slotted, cycle = Slotted(), argparse.Namespace(a=1)
    slotted.a, cycle.me = 5, [cycle]
    value = {
        "args": argparse.Namespace(lr=0.1, w=np.arange(2)),
        "config": Config(0.5),
        "color": Color.RED,
        "pair": Pair(1, "x"),
        "bag": Bag(a=1),
        "default": collections.defaultdict(list, {1: [2]}),
        "path": pathlib.PurePosixPath("a/b"),
        "partial": functools.partial(nn.functional.leaky_relu, negative_slope=0.5),
        "queue": collections.deque([1, 2], 3),
        "class": Net,
        "function": nn.functional.relu,
        "type": float,
        "date": datetime.datetime(2020, 1, 2),
        "layout": torch.strided,
    }
    got = through({**value, "slotted": slotted, "cycle": cycle}, weights_only=False)
    assert got.pop("slotted").a == 5 and (c := got.pop("cycle")).me[0] is c
    assert vars(got["args"])["w"].tolist() == [0, 1] and got["default"].default_factory is list
    assert got.pop("partial")(torch.tensor(-1.0)) == -0.5 and got["queue"].maxlen == 3
    del value["partial"], value["args"], got["args"]
    assert got == value and type(got["bag"]) is Bag


def test_classes_that_are_declared_safe():
    value = {"config": Config(0.5), "color": Color.RED}
    serialization = torch.serialization
    with serialization.safe_globals([Config, (Color, f"{__name__}.Color")]):
        assert len(serialization.get_safe_globals()) == 2 and through(value) == value
        with pytest.raises(UnpicklingError, match="Bag"):
            through(Bag())
    serialization.add_safe_globals([Config])
    with pytest.raises(UnpicklingError, match="Color"):
        through(value)
    serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []
    with pytest.raises(UnpicklingError, match="Config"):
        through(Config())


def test_a_class_that_is_not_imported_is_named_and_not_imported():
    raw = b"\x80\x02cantigravity\nFly\n)\x81."
    with pytest.raises(UnpicklingError, match="antigravity.Fly"):
        torch.load(io.BytesIO(zipped(raw)), weights_only=False)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("target", ["tinygrad6.nn\nLinear", "os\nsystem", "collections\nCounter"])
def test_a_file_changes_nothing_that_was_there_before(target):
    raw = b"\x80\x02c" + target.encode() + b"\n}X\x04\x00\x00\x00evilK\x01sb."
    with pytest.raises(UnpicklingError, match="refused"):
        torch.load(io.BytesIO(zipped(raw)), weights_only=False)
    assert not hasattr(nn.Linear, "evil")


# ---- safetensors


def test_safetensors_come_back(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors = {"w": torch.randn(2, 3), "n": torch.arange(3), "s": torch.tensor(2.0), "e": torch.zeros(0, 2)}
    safetensors.save_file(tensors, path, {"note": "é"})
    got = safetensors.load_file(path)
    assert set(got) == set(tensors) and all(same(got[k], tensors[k]) for k in got)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"note": "é"} and same(file.get_tensor("w"), tensors["w"])
        with pytest.raises(KeyError):
            file.get_tensor("x")


@pytest.mark.parametrize(
    "tensors, error",
    [
        ({"a": torch.ones(2, 3).t()}, ValueError),
        ({"a": 1}, TypeError),
        ({1: torch.ones(1)}, TypeError),
        ([torch.ones(1)], TypeError),
    ],
)
def test_what_safetensors_cannot_say_is_refused(tmp_path, tensors, error):
    with pytest.raises(error):
        safetensors.save_file(tensors, tmp_path / "a")
    base = torch.ones(4)
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save_file({"a": base, "b": base[2:]}, tmp_path / "a")
    with pytest.raises(TypeError, match="metadata"):
        safetensors.save_file({}, tmp_path / "a", {"n": 1})
    assert not os.listdir(tmp_path)


def header(value, data=b"", length=None):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


GOOD = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data, named",
    [
        (b"", "0 bytes"),
        (header({}, length=1 << 60), "claims"),
        (header({}, length=3), "claims"),
        (header(b"[" * 100_000), "JSON"),
        (header(b"\xff"), "JSON"),
        (header(b'{"a": 1, "a": 1}'), "twice"),
        (header([]), "object"),
        (header({"a": 1}), "described"),
        (header({"a": {**GOOD, "x": 1}}, bytes(4)), "described"),
        (header({"a": {**GOOD, "dtype": "F8"}}, bytes(4)), "dtype"),
        (header({"a": {**GOOD, "dtype": ["F32"]}}, bytes(4)), "dtype"),
        (header({"a": {**GOOD, "shape": [2]}}, bytes(4)), "fill"),
        (header({"a": {**GOOD, "shape": [-1]}}, bytes(4)), "integers"),
        (header({"a": {**GOOD, "shape": [1.0]}}, bytes(4)), "integers"),
        (header({"a": {**GOOD, "shape": [True]}}, bytes(4)), "integers"),
        (header({"a": {**GOOD, "shape": [1] * 65}}, bytes(4)), "dimensions"),
        (
            header({"a": {**GOOD, "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}, bytes(4)),
            "tensors have",
        ),
        (header({"a": {**GOOD, "data_offsets": [4, 8]}}, bytes(8)), "gaps"),
        (header({"a": GOOD, "b": GOOD}, bytes(4)), "overlap"),
        (header({"a": GOOD}, bytes(3)), "tensors have"),
        (header({"a": GOOD}, bytes(5)), "tensors have"),
        (header({"__metadata__": {"a": 1}}), "metadata"),
    ],
)
def test_bad_safetensors_are_refused_by_name(tmp_path, data, named):
    with pytest.raises(RuntimeError, match=named):
        safetensors.load(data)
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(RuntimeError, match=named):
        safetensors.load_file(tmp_path / "a")


def test_types_of_results_have_their_module():
    found = torch.tensor([3.0, 1.0]).sort()
    assert type(found) is torch.return_types.sort
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is type(found) and again.indices.tolist() == [1, 0]
    assert type(torch.ones(1).frexp()) is torch.return_types.frexp

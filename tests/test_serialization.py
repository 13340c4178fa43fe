"""save and load: nests come back as they were, writing is atomic, and bad files are refused without harm.

The number of mutated files and of kills is small by default; HYPOTHESIS_PROFILE=intense asks for
100,000 and 200.
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
import tracemalloc
import zipfile
from pickle import UnpicklingError

import numpy as np
import pytest
from damage import mutated
from hypothesis import given
from hypothesis import strategies as st

import tinygrad6 as torch
from tinygrad6 import nn, safetensors

INTENSE = os.environ.get("HYPOTHESIS_PROFILE") == "intense"


def packed(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def through(value, **options):
    return torch.load(io.BytesIO(packed(value)), **options)


def same(a, b):
    """Equal in values, types and structure."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        same_form = a.dtype == b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
        return same_form and a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or a != a


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


# ---- reading what is bad

ERRORS = (RuntimeError, UnpicklingError, EOFError)


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def zipped(pickled, **records):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", pickled)
        for name, content in records.items():
            z.writestr(name.replace("__", "/"), content)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value, named",
    [
        (Evil(os.system, ("touch /tmp/should-not-exist",)), "system"),
        (Evil(eval, ("1",)), "eval"),
        (Evil(exec, ("raise SystemExit",)), "exec"),
        (Evil(getattr, (1, "real")), "getattr"),
        (Evil(bytearray, (10**12,)), "bytearray"),
        (Evil(np.zeros, (10**12,)), "numpy"),
        (Evil(collections.OrderedDict, ((),)), "OrderedDict"),
        (nn.Linear(1, 1), "Linear|tinygrad6"),
        (np.array([object()]), "number|object|opcode"),
        (Evil(set, ([(1, (2, (3, (4, (5,)))))],)), "tuple"),
        (Evil(torch.Size, (10**12,)), "Size|tinygrad6"),
    ],
)
def test_code_in_a_file_is_refused_by_name(value, named, protocol):
    raw = pickle.dumps({"weight": 1, "evil": value}, protocol)
    for data in (zipped(raw), raw):
        with pytest.raises(UnpicklingError, match=f"{named}|no checkpoint"):
            torch.load(io.BytesIO(data), weights_only=False)


def tensor_pickle(numel=4, offset=0, size=(4,), stride=(1,), name="FloatStorage", grad=False):
    """A pickle of one tensor, as PyTorch writes them, with false claims."""
    out = io.BytesIO()

    class Pickler(pickle._Pickler):
        def save_global(self, obj, name=None):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())

        def persistent_id(self, obj):
            return obj.key if isinstance(obj, Id) else None

    class Name:
        def __init__(self, module, name):
            self.module, self.name = module, name

        def __call__(self):
            pass

        def __reduce_ex__(self, protocol):
            return "name"

    class Id:
        key = ("storage", Name("torch", name), "0", "cpu", numel)

    class Tensor:
        def __reduce__(self):
            return Name("torch._utils", "_rebuild_tensor_v2"), (Id(), offset, size, stride, grad, None)

    Pickler(out, 2).dump(Tensor())
    return out.getvalue()


def test_the_forged_tensor_is_well_made():
    got = torch.load(
        io.BytesIO(zipped(tensor_pickle(), archive__data__0=np.arange(4.0, dtype="f4").tobytes()))
    )
    assert got.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "claims",
    [
        {"numel": 5},
        {"numel": 10**15},
        {"numel": -4},
        {"numel": "4"},
        {"numel": 4.0},
        {"offset": 1},
        {"offset": -1},
        {"offset": 10**30},
        {"size": (5,)},
        {"size": (-1,)},
        {"size": (10**12,)},
        {"size": (4, 10**12), "stride": (1, 1)},
        {"size": (2,) * 70, "stride": (0,) * 70},
        {"stride": (2,)},
        {"stride": (-1,)},
        {"stride": (1, 1)},
        {"size": "1", "stride": "1"},
        {"name": "LongStorage"},
        {"name": "IntStorage", "grad": True},
        {"name": "UntypedStorage"},
        {"name": "ComplexFloatStorage"},
    ],
)
def test_false_claims_about_tensors_are_refused(claims):
    data = zipped(tensor_pickle(**claims), archive__data__0=np.arange(4.0, dtype="f4").tobytes())
    with pytest.raises(ERRORS):
        torch.load(io.BytesIO(data))


def test_bools_must_be_bools():
    data = zipped(tensor_pickle(name="BoolStorage"), archive__data__0=b"\0\1\2\3")
    with pytest.raises(UnpicklingError, match="bools"):
        torch.load(io.BytesIO(data))


def test_bad_archives_are_refused():
    good = zipped(tensor_pickle(), archive__data__0=bytes(16))

    def changed(edit, **options):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", **options) as z:
            edit(z)
        return file.getvalue()

    pkl = tensor_pickle()
    cases = {
        "leads elsewhere": changed(lambda z: z.writestr("archive/../../x", b"")),
        "compressed": changed(
            lambda z: z.writestr("archive/data.pkl", pkl), compression=zipfile.ZIP_DEFLATED
        ),
        "one folder": changed(lambda z: [z.writestr("a/data.pkl", pkl), z.writestr("b/data/0", bytes(16))]),
        "missing": changed(lambda z: z.writestr("archive/data.pkl", pkl)),
        "TorchScript": zipped(pkl, archive__constants__=b"").replace(b"constants/", b"constants/"),
        "byte order": zipped(pkl, archive__byteorder=b"big"),
        "truncated": good[:-30],
    }
    with pytest.raises(RuntimeError, match="TorchScript"):
        torch.load(io.BytesIO(changed(lambda z: z.writestr("archive/constants.pkl", b""))))
    del cases["TorchScript"]
    for named, data in cases.items():
        with pytest.raises(RuntimeError, match=named):
            torch.load(io.BytesIO(data))
    with pytest.raises(EOFError):
        torch.load(io.BytesIO(b""))
    with pytest.raises(UnpicklingError, match="no checkpoint"):
        torch.load(io.BytesIO(b"hello, world"))
    with pytest.raises(FileNotFoundError):
        torch.load("/nowhere/at/all.pt")


def test_records_that_overlap_are_refused():
    """A thousand entries for one record would claim a thousand times its memory."""
    raw = bytearray(zipped(pickle.dumps(1, 2), archive__data__0=bytes(1000)))
    start = raw.rindex(b"PK\1\2")
    entry = bytes(raw[start : raw.rindex(b"PK\5\6")])
    copies = b"".join(entry.replace(b"data/0", b"data/%c" % c) for c in range(65, 75))
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 10, 10, len(copies), start, 0)
    with pytest.raises(RuntimeError, match="damaged|overlap|folder"):
        torch.load(io.BytesIO(bytes(raw[:start]) + copies + tail))


def test_a_newer_format_is_refused_by_number():
    from tinygrad6 import archive

    archive.FORMAT = 7
    try:
        data = packed([1])
    finally:
        archive.FORMAT = 1
    with pytest.raises(RuntimeError, match="format 7"):
        torch.load(io.BytesIO(data))


def opcodes(*parts):
    """A pickle: bytes are opcodes, a string a text, an int a number, a pair (module, name) a global."""
    out = b"\x80\x02"
    for p in parts:
        if isinstance(p, str):
            out += b"X" + struct.pack("<I", len(p)) + p.encode()
        elif isinstance(p, int):
            out += b"J" + struct.pack("<i", p)
        else:
            out += p if isinstance(p, bytes) else "c{}\n{}\n".format(*p).encode()
    return out + b"."


MANY, ONE = 2000, b"B" + struct.pack("<I", 100_000) + bytes(100_000)
NUMBERS = b"(" + b"".join(b"J" + struct.pack("<i", i) for i in range(5000))
PAIRS = b"(" + b"".join(b"J" + struct.pack("<i", i) + b"N\x86" for i in range(5000))
U1 = (("numpy", "dtype"), "u1", b"\x89\x88\x87R")
BOMBS = {
    "bytearray": (("__builtin__", "bytearray"), b"q\1", ONE, b"\x85q\2R"),
    "bytes": (("_codecs", "encode"), b"q\1", "a" * 100_000, "latin1", b"\x86q\2R"),
    "set": (("__builtin__", "set"), b"q\1]", NUMBERS, b"e\x85q\2R"),
    "Size": (("torch", "Size"), b"q\1", NUMBERS, b"t\x85q\2R"),
    "OrderedDict": (("collections", "OrderedDict"), b"q\1]", PAIRS, b"e\x85q\2R"),
    "array": (
        *(("numpy._core.numeric", "_frombuffer"), b"q\1(", ONE, *U1, 100_000, b"\x85", "C"),
        b"tq\2R",
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_file_cannot_ask_for_many_copies(kind):
    """A call costs five bytes, whatever it makes of what stands in the file once."""

    def made(times):
        return zipped(opcodes(b"(", *BOMBS[kind], b"h\1h\2R" * times, b"t"))

    assert len(torch.load(io.BytesIO(made(0)))) == 1
    data = made(MANY)
    got, peak = measured(lambda raw: torch.load(io.BytesIO(raw)), data, ERRORS)
    assert got is None and peak < 100 * len(data), f"{peak} bytes for a file of {len(data)}"


@pytest.mark.parametrize("name", ["BFloat16Storage", "BoolStorage", "FloatStorage"])
@pytest.mark.filterwarnings("ignore:bfloat16")
def test_many_tensors_in_one_storage_cost_no_more_than_one(name):
    itemsize = {"BFloat16Storage": 2, "BoolStorage": 1, "FloatStorage": 4}[name]
    key = (b"(", "storage", ("torch", name), "0", "cpu", 400_000 // itemsize, b"tq\1Q")
    data = zipped(opcodes(b"(", *key, b"h\1Q" * MANY, b"t"), archive__data__0=bytes(400_000))
    got, peak = measured(lambda raw: torch.load(io.BytesIO(raw)), data, ERRORS)
    assert len({id(a) for a in got[0]}) == 1 and peak < 4 * len(data)


def test_equal_values_are_no_bomb():
    zeros, raw = [np.zeros(1000) for _ in range(50)], [bytes(bytearray(1000)) for _ in range(50)]
    assert same(through([zeros, raw]), [zeros, raw])
    a, b = through([np.zeros(3), np.zeros(3)])
    a[0] = 1
    assert b[0] == 0


@pytest.mark.parametrize(
    "key",
    [
        (b"\x8b", struct.pack("<i", 1000), b"\x55" * 1000),  # a number: its hash is computed each time
        (b"(", *[1] * 100, b"tq\1(", b"h\1" * 100, b"tq\2(", b"h\2" * 100, b"t"),
    ],
)
def test_keys_that_take_long_to_hash_are_refused(key):
    with pytest.raises(UnpicklingError, match="as a key"):
        torch.load(io.BytesIO(zipped(opcodes(b"}(", *key, b"q\3Nu"))))


SAMPLE = {
    "model": nn.Linear(2, 3).state_dict(),
    "history": [{"loss": 0.5, "epoch": 1}],
    "array": np.arange(3.0),
    "misc": (b"bytes", {1, 2}, "text", 2**70, True, None, torch.float16),
}


def measured(read, bad, errors):
    """What was read, in a list, or None for one of `errors`; the most memory in use meanwhile."""
    tracemalloc.start()
    try:
        return [read(bad)], tracemalloc.get_traced_memory()[1]
    except (*errors, UserWarning):  # the warning: a type changed to bfloat16
        return None, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fuzz(data, read, whole, errors=ERRORS, tries=25_000 if INTENSE else 400):
    """Mutated files are refused by `errors`, or read as what `whole` accepts, in little time and memory."""
    rng = random.Random(1)
    read(data)
    for _ in range(tries):
        bad = mutated(data, rng)
        if bad == data:
            continue
        start = time.monotonic()
        got, peak = measured(read, bad, errors)
        if peak > 2 * len(bad) + 300_000:  # the first time a module is imported, say
            got, peak = measured(read, bad, errors)
        assert peak < 2 * len(bad) + 300_000, f"{peak} bytes for a file of {len(bad)}"
        assert got is None or whole(got[0], bad), f"read as {got!r}"
        assert time.monotonic() - start < 5


def test_any_change_to_our_files_is_noticed():
    """The seal covers everything, headers and padding too."""
    fuzz(packed(SAMPLE), lambda b: torch.load(io.BytesIO(b)), lambda got, bad: False)


def test_each_bit_of_a_file_counts():
    data = packed([torch.ones(1), 1])
    for i in range(8 * len(data)) if INTENSE else random.Random(0).sample(range(8 * len(data)), 1000):
        bad = bytearray(data)
        bad[i // 8] ^= 1 << i % 8
        with pytest.raises(ERRORS):
            torch.load(io.BytesIO(bytes(bad)))


def test_changed_pickles_without_a_seal_do_no_harm():
    """PyTorch's files have no checksum over the whole: some changes give other values, none gives a crash."""
    w = np.arange(4.0, dtype="f4").tobytes()
    pickled = zipfile.ZipFile(io.BytesIO(packed(SAMPLE))).read("archive/data.pkl")

    def read(raw):
        return torch.load(io.BytesIO(zipped(raw, archive__data__0=bytes(24), archive__data__1=bytes(12))))

    fuzz(pickled, read, lambda got, bad: True)
    fuzz(
        tensor_pickle(), lambda raw: torch.load(io.BytesIO(zipped(raw, archive__data__0=w))), lambda *a: True
    )


def legacy(value, **storages):
    """A file in the format before PyTorch 1.6 around the pickle of a value."""
    out = b"".join(
        pickle.dumps(part, 2)
        for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    )
    out += value + pickle.dumps([name[1:] for name in storages], 2)
    return out + b"".join(struct.pack("<q", n) + raw for n, raw in storages.values())


def test_changed_files_of_pytorch_do_no_harm(tmp_path):
    """Whole archives without a seal, the old format, and files that are mapped."""
    large = np.arange(100_000, dtype="f4").tobytes()
    for numel, raw in (4, large[:16]), (100_000, large):
        pickled = tensor_pickle(numel, size=(numel,))
        tries = 25_000 if INTENSE and numel == 4 else 1000 if INTENSE else 150
        new = zipped(pickled, archive__data__0=raw, archive__byteorder=b"little", archive__version=b"3\n")
        old = legacy(pickled, _0=(numel, raw))
        assert torch.load(io.BytesIO(new)).numpy().tobytes() == raw
        assert torch.load(io.BytesIO(old)).numpy().tobytes() == raw
        fuzz(new, lambda b: torch.load(io.BytesIO(b)), lambda *a: True, tries=tries)
        fuzz(old, lambda b: torch.load(io.BytesIO(b)), lambda *a: True, tries=tries)

        def mapped(raw):
            (tmp_path / "a.pt").write_bytes(raw)
            got = torch.load(tmp_path / "a.pt", mmap=True)
            return got.clone() if isinstance(got, torch.Tensor) else got  # all of it is looked at

        fuzz(new, mapped, lambda *a: True, tries=tries // 5)


def test_large_files_take_no_more_than_twice_their_memory():
    """Here the file is much larger than what the fuzzer grants for modules and names."""
    w = {"w": torch.ones(300_000)}
    tries = 2000 if INTENSE else 30
    fuzz(packed(w), lambda b: torch.load(io.BytesIO(b)), lambda got, bad: False, tries=tries)
    fuzz(safetensors.save(w), safetensors.load, lambda *a: True, (RuntimeError,), tries)


def test_changed_safetensors_do_no_harm():
    data = safetensors.save(
        {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bool)}, {"k": "v"}
    )
    fuzz(data, safetensors.load, lambda got, bad: True, (RuntimeError,))


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

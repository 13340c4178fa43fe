"""Files that are damaged, forged or of another kind are refused by name and do no harm.

The number of mutated files is small by default; HYPOTHESIS_PROFILE=intense asks for 100,000.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import random
import struct
import time
import tracemalloc
import zipfile
from pickle import UnpicklingError

import numpy as np
import pytest
from checkpoints import ERRORS, INTENSE, Evil, packed, same, through, zipped
from damage import mutated

import tinygrad6 as torch
from tinygrad6 import nn, safetensors


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

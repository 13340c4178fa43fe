"""What the tests of saving and loading share: files in memory, objects to compare, and files made by hand."""

from __future__ import annotations

import io
import os
import zipfile
from pickle import UnpicklingError

import numpy as np

import tinygrad6 as torch

ERRORS = (RuntimeError, UnpicklingError, EOFError)  # what a bad file may raise
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


class Evil:
    """Pickled as a call: Evil(os.system, ("...",))."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def zipped(pickled, **records):
    """A checkpoint of these bytes as its pickle and further records, __ standing for /."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", pickled)
        for name, content in records.items():
            z.writestr(name.replace("__", "/"), content)
    return file.getvalue()

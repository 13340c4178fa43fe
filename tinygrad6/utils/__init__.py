"""Helpers around training: `data`, and the probe `record`."""

from functools import partial as _partial

from tinygrad6.paths import attribute as _attribute
from tinygrad6.utils import _pytree as _pytree
from tinygrad6.utils import checkpoint as checkpoint
from tinygrad6.utils import data as data
from tinygrad6.utils.record import record as record

__getattr__ = _partial(_attribute, __name__)

"""Helpers around training: `data`, and the probe `record`."""

from tinygrad6.utils import checkpoint as checkpoint
from tinygrad6.utils import data as data
from tinygrad6.utils.record import record as record

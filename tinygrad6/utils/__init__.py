"""Helpers around training: `data`."""

from tinygrad6.utils import data as data

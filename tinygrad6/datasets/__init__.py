"""Data to learn from: `digits` comes with the package, `mnist` reads files that are already there."""

from tinygrad6.datasets.idx import mnist
from tinygrad6.datasets.optdigits import digits

__all__ = ["digits", "mnist"]

"""The operations, family by family. Importing this package registers them all."""

from tinygrad6.ops import choose, compare, create, pointwise, rand, reduce, shape
from tinygrad6.ops import decompose, einsum, index, join, linalg, recurrent  # isort: skip
from tinygrad6.ops import count, gather, masks, parts, sort  # isort: skip
from tinygrad6.ops import ctc, loss, norm  # isort: skip
from tinygrad6.ops import activations, arithmetic, gamma, incomplete, statistics  # isort: skip
from tinygrad6.ops import aliases, attributes, lu, rewrite  # isort: skip
from tinygrad6.ops import conv, window, taps, pad, pool, adaptive, fold, resize, sample  # isort: skip

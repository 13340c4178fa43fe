"""The operations, family by family. Importing this package registers them all."""
from tinygrad6.ops import compare, create, pointwise, reduce, shape
from tinygrad6.ops import einsum, index, join, linalg, recurrent  # isort: skip

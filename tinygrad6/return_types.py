"""torch.return_types: the named tuples that max, sort, linalg.svd and others give.

>>> import tinygrad6 as torch
>>> isinstance(torch.ones(2, 3).max(0), torch.return_types.max)
True
"""

from tinygrad6 import linalg  # noqa: F401 -- makes the types of its own
from tinygrad6.ops.sort import RETURN_TYPES

globals().update(RETURN_TYPES)
__all__ = list(RETURN_TYPES)  # noqa: PLE0605 -- the names are those of the types

"""Large elementwise work, cut into blocks.

An elementwise function does not care where its arrays are cut. In blocks that fit the cache, its second pass
and those after it find their operands there instead of in memory; and blocks can be shared among threads.
What comes out is the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad6.threads import share

ndarray = np.ndarray
BLOCK = 1 << 18  # elements of a block
LARGE = 1 << 19  # from here on blocks pay
SHARED = 1 << 19  # from here on threads pay


def alike(arrays: Sequence[Any]) -> bool:
    """Whether all of them are C-contiguous arrays of one shape, 0-d arrays, or no arrays at all."""
    shape = None
    for a in arrays:
        if type(a) is ndarray and a.ndim:
            if shape is None:
                shape = a.shape
            if a.shape != shape or not a.flags.c_contiguous:
                return False
    return shape is not None


def in_blocks(
    function: Callable[..., Sequence[ndarray | None]], arrays: Sequence[Any]
) -> list[ndarray | None] | None:
    """function(*arrays), a sequence of arrays of their shape or None, computed block by block.

    None, and nothing is gained, if a result has another shape. `arrays` must be `alike`.
    """
    flat = [a.reshape(-1) if type(a) is ndarray and a.ndim else a for a in arrays]
    model = next(a for a in arrays if type(a) is ndarray and a.ndim)

    def part(start: int, stop: int) -> Sequence[ndarray | None]:
        return function(*[a[start:stop] if type(a) is ndarray and a.ndim else a for a in flat])

    first = part(0, BLOCK)
    if any(r is not None and (type(r) is not ndarray or r.shape != (BLOCK,)) for r in first):
        return None
    outs = [None if r is None else np.empty(model.shape, r.dtype) for r in first]
    # Views, so that the results own their memory: only then may the engine keep and change them.
    lines = [None if o is None else o.reshape(-1) for o in outs]

    def put(start: int, stop: int, results: Sequence[ndarray | None]) -> None:
        for out, r in zip(lines, results, strict=True):
            if out is not None:
                out[start:stop] = r

    def work(first_block: int, last_block: int) -> None:
        for i in range(first_block + 1, last_block + 1):
            start, stop = i * BLOCK, min((i + 1) * BLOCK, model.size)
            put(start, stop, part(start, stop))

    put(0, BLOCK, first)
    share(work, -(-model.size // BLOCK) - 1, model.size >= SHARED)
    return outs


def ufunc_in_parts(ufunc: Any, arrays: Sequence[Any], dtype: np.dtype) -> ndarray:
    """ufunc(*arrays) with one part per thread. `arrays` must be `alike`, and the result be of `dtype`."""
    flat = [a.reshape(-1) if type(a) is ndarray and a.ndim else a for a in arrays]
    model = next(a for a in arrays if type(a) is ndarray and a.ndim)
    out = np.empty(model.shape, dtype)
    line = out.reshape(-1)

    def work(start: int, stop: int) -> None:
        ufunc(*[a[start:stop] if type(a) is ndarray and a.ndim else a for a in flat], out=line[start:stop])

    share(work, model.size)
    return out


ROWS = 1 << 17  # elements of a block of by_lead, and from where on threads pay for it


def is_large(x: ndarray) -> bool:
    """Whether work on x is done better by `by_lead`."""
    return x.size > 2 * ROWS


def by_lead(work: Callable[[int, int], Any], x: ndarray) -> None:
    """work(start, stop) over the first dimension of x, in blocks that fit the cache, shared among threads.

    Where it is cut does not depend on the number of threads, and neither do sums over a block.
    """
    count = max(1, -(-x.size // ROWS))
    if count > 1:
        count += count % 2  # an even number of blocks, for two threads
    step = max(1, -(-len(x) // count))

    def part(first: int, last: int) -> None:
        for i in range(first, last):
            work(i * step, min((i + 1) * step, len(x)))

    share(part, -(-len(x) // step), x.size > ROWS)


def in_rows(
    function: Callable[..., ndarray], dim: int, *arrays: ndarray, width: int | None = None
) -> ndarray:
    """function(*arrays, dim), which makes each row along dim of the same row of the arrays, all of one shape:
    in blocks of rows where these are large and dim is the last.

    Rows of the result are as long, or `width`.
    """
    x = arrays[0]
    if not is_large(x) or dim != x.ndim - 1 or not alike(arrays):
        return function(*arrays, dim)
    rows = [a.reshape(-1, a.shape[-1]) for a in arrays]
    out = np.empty((*x.shape[:-1], x.shape[-1] if width is None else width), x.dtype)
    lines = out.reshape(-1, out.shape[-1])

    def work(start: int, stop: int) -> None:
        lines[start:stop] = function(*[a[start:stop] for a in rows], 1)

    by_lead(work, rows[0])
    return out

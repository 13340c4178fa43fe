"""The operations, family by family. Importing this package registers them all.

    pointwise     add, mul, exp, sin and their like, element by element; arithmetic: the rarer ones
    choose        where, maximum, clamp: selections, on which many rules depend
    activations   relu, sigmoid, gelu, ...
    compare       comparisons, logic and tests of values
    shape         reshape, permute, expand, flip; parts: slices, diagonals, triangles; join: cat, split
    reduce        sum, mean, var, max, cumsum, norm; softmax; statistics: the rarer ones; count: unique
    linalg        matmul and linear; einsum; decompose and lu: inverses, factors, solving
    index         x[...] and x[...] = v; gather: by integer tensors, embeddings; masks; sort: order, quantiles
    norm, loss, ctc, recurrent      what is fused for speed or exactness, one kernel each
    conv, shifted                   convolutions; fold: windows as columns
    pool, window, adaptive          pooling
    pad, resize, sample, taps       borders, interpolation, grid_sample
    gamma, incomplete, special      special functions
    create, rand, typed             new tensors
    rewrite, writers                copies with a part replaced, in-place writers
    attributes, aliases, overloads  what PyTorch's tensors do beside: small methods, second names, older forms

One file or two is enough to know how all work: see tinygrad6/op.py, then pointwise.py.
"""

from tinygrad6.ops import (  # each imports what it builds on; in this order they register
    choose,
    compare,
    create,
    pointwise,
    rand,
    reduce,
    softmax,
    shape,
    decompose,
    einsum,
    index,
    join,
    linalg,
    recurrent,
    count,
    gather,
    masks,
    parts,
    sort,
    ctc,
    loss,
    norm,
    activations,
    arithmetic,
    gamma,
    incomplete,
    statistics,
    aliases,
    attributes,
    lu,
    rewrite,
    conv,
    window,
    taps,
    pad,
    pool,
    adaptive,
    fold,
    resize,
    sample,
)

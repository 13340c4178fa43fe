"""Benchmarks: tinygrad6 beside PyTorch, JAX, MyGrad, HIPS autograd, NumPy by hand and plain loops.

`registry` says what a row is and which sides there are; `rows/` defines the rows; `worker` measures one side
in a process of its own; `race` lets the sides take turns; `report`, `plot` and `check` read the results.
`python -m benchmarks -h`.
"""

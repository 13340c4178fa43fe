"""The rows of all groups, defined by importing them, in the order in which they run."""

from benchmarks.rows import ops, overhead, steps, nets, optimizers, learning, memory, start  # noqa: F401

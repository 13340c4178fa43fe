"""Benchmarks against PyTorch, NumPy by hand, and the bare matrix products: `python -m benchmarks --help`."""

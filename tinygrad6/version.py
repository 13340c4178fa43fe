"""torch.version: our own version; no CUDA, no ROCm, no XPU."""

__version__ = "0.1.0"
cuda = hip = xpu = git_version = None
debug = False

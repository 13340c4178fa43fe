"""torch.version: no CUDA, no ROCm, no XPU."""

from importlib import metadata

cuda = hip = xpu = git_version = None
debug = False
try:
    __version__ = metadata.version("tinygrad6")
except metadata.PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0"

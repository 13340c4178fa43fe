"""torch.version: no CUDA, no ROCm, no XPU."""

from tinygrad6 import __version__ as __version__

cuda = hip = xpu = git_version = None
debug = False

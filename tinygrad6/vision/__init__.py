"""What training scripts take from torchvision: transforms of images, and datasets in local files.

Images are tensors (..., C, H, W), NumPy arrays (H, W) or (H, W, C), or Pillow's images where Pillow is
installed (`pip install 'tinygrad6[vision]'`). All random choices are drawn as torchvision draws them.
"""

from tinygrad6.vision import datasets as datasets
from tinygrad6.vision import transforms as transforms

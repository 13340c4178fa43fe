"""Check a built wheel as its users get it: what is inside, how large it is, and that it works.

`make wheel` runs this. Run by the Python of an environment in which the wheel is installed, from a folder
that is not the checkout.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SCRIPT = """
import os, sys
import tinygrad6 as torch
import tinygrad6.nn as nn, tinygrad6.nn.functional as F, tinygrad6.optim as optim
from tinygrad6.datasets import digits
assert "site-packages" in torch.__file__ and "site-packages" in nn.__file__, (torch.__file__, nn.__file__)
for stray in ("nn", "optim", "tests", "examples", "benchmarks"):
    assert not os.path.exists(os.path.join(os.path.dirname(torch.__file__), "..", stray)), stray
torch.manual_seed(0)
x, y = digits()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
opt = optim.Adam(model.parameters(), lr=1e-2)
for _ in range(60):
    opt.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
assert loss.item() < 0.2, loss
"""


def main(wheel: str) -> None:
    size = Path(wheel).stat().st_size
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if ".dist-info" not in n}
    assert size < 1_000_000, f"the wheel has {size} bytes; the promise is under 1 MB"
    assert tops == {"tinygrad6"}, f"the wheel would install {tops}"
    for needed in ("tinygrad6/nn/__init__.py", "tinygrad6/optim/__init__.py", "tinygrad6/py.typed"):
        assert needed in names, f"{needed} is missing from the wheel"
    tests = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, check=True)
        for name in ("conftest.py", "helpers.py", "test_tiny.py", "test_engine.py", "test_ops.py"):
            shutil.copy(tests / name, folder)
        env = {**os.environ, "PYTHONPATH": folder}
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "auto", folder], cwd=folder, env=env, check=True
        )
    print(f"{wheel}: {size} bytes, {len(names)} files: good")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))

"""Seeds, Hypothesis profiles, and a seal around every test: global state is as it was when it ends.

Profiles: `dev` (default) and `ci` draw few examples, `intense` thousands: HYPOTHESIS_PROFILE=intense make
test.
"""

from __future__ import annotations

import os

import hypothesis
import numpy as np
import pytest

import tinygrad6 as torch
from tinygrad6.modes import state

_SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
for _name, _examples in (("dev", 20), ("ci", 30), ("intense", 3000)):
    hypothesis.settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,  # machines are shared: time is for benchmarks
        derandomize=_name == "ci",
        suppress_health_check=_SLOW,
        print_blob=True,
    )
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture(autouse=True)
def sealed():
    """Every test starts from seed 0, and must leave grad mode and the default dtype as it found them."""
    torch.manual_seed(0)
    np.random.seed(0)
    before = (state.grad, state.inference, torch.get_default_dtype())
    yield
    after = (state.grad, state.inference, torch.get_default_dtype())
    state.grad, state.inference = before[:2]
    torch.set_default_dtype(before[2])
    assert after == before, f"the test leaves grad mode, inference mode and default dtype as {after}"

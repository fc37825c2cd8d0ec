"""Keras's backends say the same: networks written by one, computed with TensorFlow and with JAX in a process each."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from support import backend_numbers, environment

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason="jax is not installed: make JAX=1 VENV=.venv-jax tests-jax",
    ),
]
# What may differ, absolute and relative: sums of float32 in another order, which a training carries on.
TOLERANCES = {
    "output": (1e-4, 1e-4),
    "loss": (1e-5, 1e-5),
    "sip": (1e-4, 1e-5),
    "gradient": (1e-5, 1e-3),
    "scores of the step": (1e-3, 1e-5),
    "weights after the step": (5e-5, 1e-4),
    "history": (2e-3, 1e-3),
    "forecast": (2e-3, 0),
}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Results by backend."""
    root = tmp_path_factory.mktemp("backends")
    backend_numbers.save_networks(root)
    found = {}
    for backend in ("tensorflow", "jax"):
        file = root / f"{backend}.npz"
        subprocess.run(
            [sys.executable, backend_numbers.__file__, root, file],
            env=environment() | {"KERAS_BACKEND": backend},
            check=True,
        )
        with np.load(file) as saved:
            assert saved["backend"] == backend
            found[backend] = {name: saved[name] for name in saved.files if name != "backend"}
    return found


@pytest.mark.parametrize("what", TOLERANCES)
def test_both_backends_give_the_same(numbers, what):
    absolute, relative = TOLERANCES[what]
    names = [name for name in numbers["jax"] if name.endswith(f": {what}")]
    assert names
    for name in names:
        expected, found = (numbers[backend][name] for backend in ("tensorflow", "jax"))
        assert np.isfinite(expected).any()
        np.testing.assert_allclose(found, expected, atol=absolute, rtol=relative, err_msg=name)

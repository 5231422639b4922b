"""Activation dynamics against OpenSim, its inverse, and the libraries it works with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from hypothesis import given, settings
from hypothesis import strategies as st

from osimopt.errors import InputError
from osimopt.muscle.activation import activation_rate, excitation_for

Array = np.ndarray

#: OpenSim's own rounding.
ROUNDING = 1e-13
DEFAULT = (0.015, 0.060, 0.1)
#: Where one of the two speeds is this much the other, a rate can belong to several excitations: (g + 1) / (g − 1) for
#: the largest value g = 1.19968 of tanh x + x / cosh² x.
SEVERAL = 11.016


@pytest.fixture(scope="module")
def says(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    folder: Path = tmp_path_factory.mktemp("degroote")
    run_script(HERE / "degroote_oracle.py", folder, "rates", cwd=folder)
    with np.load(folder / "rates.npz") as arrays:
        return dict(arrays)


def test_rate_is_that_of_opensim(says: dict[str, Array]) -> None:
    excitation, activation = says["excitation"][:, None], says["activation"]
    for constants, expected in zip(says["constants"], says["alone"], strict=True):
        assert np.ptp(expected) > 10.0
        np.testing.assert_allclose(activation_rate(excitation, activation, *constants), expected, ROUNDING, 1e-12)


def test_opensims_constants_are_those_it_met_first(says: dict[str, Array]) -> None:
    """Of three muscles in one model every one has the constants of the first, unlike here."""
    excitation, activation = says["excitation"][:, None], says["activation"]
    first = activation_rate(excitation, activation, *says["constants"][-1])
    for rates in says["together"]:
        np.testing.assert_allclose(rates, first, ROUNDING, 1e-12)
    own = [float(activation_rate(0.9, 0.1, *constants)) for constants in says["constants"]]
    np.testing.assert_allclose(own, [48.288, 41.026, 169.040], rtol=1e-5)


def test_every_muscle_has_its_own_constants(says: dict[str, Array]) -> None:
    rise, fall, smoothing = says["constants"].T
    excitation, activation = np.full((5, 3), 0.9), np.linspace(0.1, 0.8, 15).reshape(5, 3)
    rates = activation_rate(excitation, activation, rise, fall, smoothing)
    for muscle, constants in enumerate(says["constants"]):
        np.testing.assert_array_equal(rates[:, muscle], activation_rate(0.9, activation[:, muscle], *constants))
    np.testing.assert_allclose(excitation_for(rates, activation, rise, fall, smoothing), excitation, rtol=1e-12)


def test_activation_rests_at_its_excitation() -> None:
    level = np.linspace(0.0, 1.0, 11)
    np.testing.assert_array_equal(activation_rate(level, level, *DEFAULT), 0.0)
    np.testing.assert_array_equal(excitation_for(0.0, level, *DEFAULT), level)


def test_a_steep_switch_has_the_two_time_constants() -> None:
    rates = activation_rate(np.array([0.9, 0.1]), np.array([0.4, 0.4]), 0.02, 0.05, 1e4)
    stretch = 0.5 + 1.5 * 0.4
    np.testing.assert_allclose(rates, [0.5 / (0.02 * stretch), -0.3 * stretch / 0.05], rtol=1e-13)


@given(
    excitation=st.floats(-2.0, 3.0),
    activation=st.floats(-0.2, 1.2),
    rise=st.floats(0.001, 1.0),
    fall=st.floats(0.001, 1.0),
    smoothing=st.floats(0.01, 1000.0),
)
@settings(max_examples=300, deadline=None)
def test_inverse(excitation: float, activation: float, rise: float, fall: float, smoothing: float) -> None:
    constants = (rise, fall, smoothing)
    rate = activation_rate(excitation, activation, *constants)
    found = float(excitation_for(rate, activation, *constants))
    # where excitations merge, a rate is known better than the excitation
    assert activation_rate(found, activation, *constants) == pytest.approx(rate, rel=1e-10)
    assert abs(found - activation) <= abs(excitation - activation) + 1e-6
    ratio = fall / (rise * (0.5 + 1.5 * activation) ** 2)
    if max(ratio, 1.0 / ratio) < 0.9 * SEVERAL:
        assert found == pytest.approx(excitation, rel=1e-9, abs=1e-9)


def test_of_several_excitations_the_nearest() -> None:
    constants, level = (0.007, 0.200, 20.0), 0.2
    below = np.linspace(-0.4, 0.2, 6001)[::-1]
    rates = activation_rate(below, level, *constants)
    turn = int(np.argmax(np.diff(rates) > 0.0))
    wanted = 0.9 * rates[turn]  # met before the turn, and again twice beyond it
    assert (np.diff(np.sign(rates - wanted)) != 0).sum() == 3
    found = excitation_for(wanted, level, *constants)
    assert activation_rate(found, level, *constants) == pytest.approx(wanted, rel=1e-12)
    assert found > below[turn]


def test_inverse_of_what_is_wrong() -> None:
    np.testing.assert_array_equal(np.isnan(excitation_for([np.nan, 1.0], [0.5, np.nan], *DEFAULT)), True)
    with pytest.raises(InputError, match=r"above -1/3, got -0\.5"):
        excitation_for(1.0, [0.2, -0.5], *DEFAULT)
    with pytest.raises(InputError, match=r"time constants above 0, got -0\.06"):
        excitation_for(1.0, 0.5, 0.015, -0.060, 0.1)
    with pytest.raises(InputError, match="smoothing above 0, got 0"):
        excitation_for(1.0, 0.5, 0.015, 0.060, 0.0)


def test_rate_of_torch_arrays() -> None:
    torch = pytest.importorskip("torch")
    excitation, activation = np.meshgrid(np.linspace(0.0, 1.0, 7), np.linspace(0.0, 1.0, 5))
    own = torch.tensor(excitation, dtype=torch.float64, requires_grad=True)
    rates = activation_rate(own, torch.tensor(activation), 0.02, 0.05, 10.0)
    expected = activation_rate(excitation, activation, 0.02, 0.05, 10.0)
    np.testing.assert_allclose(rates.detach().numpy(), expected, rtol=1e-13, atol=1e-13)
    (slope,) = torch.autograd.grad(rates.sum(), own)
    shifted = [activation_rate(excitation + step, activation, 0.02, 0.05, 10.0) for step in (1e-6, -1e-6)]
    np.testing.assert_allclose(slope.numpy(), (shifted[0] - shifted[1]) / 2e-6, rtol=1e-7)


def test_rate_of_casadi_expressions() -> None:
    """In a process of its own, because casadi must not meet opensim."""
    code = """
import casadi, numpy as np
from osimopt.muscle.activation import activation_rate
symbols = [casadi.MX.sym(name) for name in "eatdb"]
rate = casadi.Function("rate", symbols, [activation_rate(*symbols)])
x = [np.linspace(*ends, 40) for ends in ((-0.1, 1.2), (1.0, 0.0), (0.02, 0.03), (0.05, 0.04), (0.1, 20.0))]
found = np.array(rate.map(40)(*(item[None] for item in x))).ravel()
np.testing.assert_allclose(found, activation_rate(*x), rtol=1e-12, atol=1e-13)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

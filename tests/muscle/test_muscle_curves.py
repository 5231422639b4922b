"""The muscles' curves: against OpenSim's, their slopes, their limits, and the libraries they work with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script
from hypothesis import given, settings
from hypothesis import strategies as st

from osimopt.muscle import degroote, millard, thelen
from osimopt.muscle.muscle_class import namespace, where

Array = np.ndarray

#: OpenSim inverts a Bézier curve to 2e-14 of x, which a slope of 30 and a bend of 1e4 blow up.
VALUE, SLOPE = 1e-11, 1e-8
#: Central differences with a step of 1e-6.
DIFFERENCES = 1e-7

DEFAULTS: dict[str, tuple[Callable[..., millard.BezierCurves], tuple[float, ...]]] = {
    "active": (millard.active_force_length, (0.4441, 0.73, 1.8123, 0.8616, 0.0)),
    "velocity": (millard.force_velocity, (0.0, 0.25, 5.0, 0.0, 0.15, 1.4, 0.6, 0.9)),
    "passive": (millard.passive_force_length, (0.0, 0.7, 0.2, 2.0 / 0.7, 0.75)),
    "tendon": (millard.tendon_force_length, (0.049, 1.375 / 0.049, 2.0 / 3.0, 0.5)),
}
#: Each closed form with its slope, parameters, and a range of its argument.
CLOSED: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[float, ...], tuple[float, float]]] = {
    "thelen active": (thelen.active_force_length, thelen.active_force_length_slope, (0.45,), (0.2, 1.9)),
    "thelen passive": (thelen.passive_force_length, thelen.passive_force_length_slope, (0.6, 5.0), (0.5, 1.9)),
    "thelen tendon": (thelen.tendon_force_length, thelen.tendon_force_length_slope, (0.04,), (0.97, 1.08)),
    "thelen velocity": (thelen.force_velocity, thelen.force_velocity_slope, (0.25, 1.4, 0.95), (-1.4, 1.4)),
    "degroote active": (degroote.active_force_length, degroote.active_force_length_slope, (1.3,), (0.2, 1.9)),
    "degroote passive": (degroote.passive_force_length, degroote.passive_force_length_slope, (0.6,), (0.1, 1.9)),
    "degroote tendon": (degroote.tendon_force_length, degroote.tendon_force_length_slope, (0.049,), (0.97, 1.08)),
    "degroote velocity": (degroote.force_velocity, degroote.force_velocity_slope, (), (-1.4, 1.4)),
}
#: Inverses, their parameters, and a range of forces.
INVERSES: dict[str, tuple[Callable[..., Any], tuple[float, ...], tuple[float, float]]] = {
    "degroote tendon": (degroote.tendon_length, (0.049,), (-0.15, 5.0)),
}


def drawn(name: str) -> millard.BezierCurves:
    build, values = DEFAULTS[name]
    return build(*(np.array([value]) for value in values))


@pytest.fixture(scope="module")
def says(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    """OpenSim's values of the curves, with the parameters that it reports for them."""
    folder = tmp_path_factory.mktemp("curves")
    run_script(HERE / "muscle_oracle.py", folder, cwd=folder)
    with np.load(folder / "oracle.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("ActiveForceLengthCurve", millard.active_force_length),
        ("ForceVelocityCurve", millard.force_velocity),
        ("FiberForceLengthCurve", millard.passive_force_length),
        ("TendonForceLengthCurve", millard.tendon_force_length),
    ],
)
def test_millards_curves_are_opensims(
    says: dict[str, Array], name: str, build: Callable[..., millard.BezierCurves]
) -> None:
    value, slope = build(*says[f"{name} parameters"]).evaluate(np.repeat(says["x"][:, None], says[name].shape[2], 1))
    assert np.ptp(says[name][0], axis=1).max() > 0.1  # the muscles differ
    np.testing.assert_allclose(value, says[name][0], rtol=VALUE, atol=VALUE)
    np.testing.assert_allclose(slope, says[name][1], rtol=SLOPE, atol=SLOPE)


def test_degrootes_curves_are_opensims(says: dict[str, Array]) -> None:
    x = says["x"][:, None]
    width, passive, tendon = says["degroote parameters"]
    for name, (value, slope), parameter in (
        ("ActiveForceLength", CLOSED["degroote active"][:2], width),
        ("PassiveForce", CLOSED["degroote passive"][:2], passive),
        ("TendonForce", CLOSED["degroote tendon"][:2], tendon),
    ):
        counts = np.where(np.abs(says[name][0]).max(axis=0) > 0.0, 1.0, 0.0)  # one muscle ignores its passive force
        assert counts.sum() >= 5.0
        np.testing.assert_allclose(value(x, parameter) * counts, says[name][0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(slope(x, parameter) * counts, says[name][1], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(degroote.force_velocity(x[:, 0]), says["ForceVelocity"][:, 0], rtol=1e-12, atol=1e-14)
    inverse = degroote.damped_force_velocity_inverse(1.0, 0.0, x[:, 0])
    np.testing.assert_allclose(inverse, says["ForceVelocityInverse"], rtol=1e-12, atol=1e-14)
    length = degroote.tendon_length(says["force"][:, None], tendon)
    np.testing.assert_allclose(length, says["TendonForceLengthInverse"], rtol=1e-14)


@pytest.mark.parametrize("name", INVERSES)
def test_inverses_give_back_the_argument(name: str) -> None:
    inverse, parameters, (low, high) = INVERSES[name]
    value, _, own, _ = CLOSED[name]
    assert own == parameters
    force = np.linspace(low, high, 201)
    np.testing.assert_allclose(value(inverse(force, *parameters), *own), force, rtol=1e-12, atol=1e-13)


def test_what_the_curves_pass_through() -> None:
    points = {"active": (1.0, 1.0), "velocity": (0.0, 1.0), "passive": (1.7, 1.0), "tendon": (1.049, 1.0)}
    for name, (x, y) in points.items():
        assert drawn(name).value(np.array([[x]])) == pytest.approx(y, abs=1e-14)
    assert thelen.passive_force_length(np.array(1.6), 0.6, 5.0) == pytest.approx(1.0)
    assert thelen.tendon_force_length(np.array(1.04), 0.04) == pytest.approx(1.0)
    assert degroote.active_force_length(np.array(1.0), 1.0) == pytest.approx(1.0, abs=1e-14)
    assert degroote.passive_force_length(np.array(1.6), 0.6) == pytest.approx(1.0)
    assert degroote.tendon_force_length(np.array(1.049), 0.049) == pytest.approx(1.0)
    np.testing.assert_allclose(degroote.force_velocity(np.array([-1.0, 0.0])), [0.0, 1.0], atol=1e-14)
    np.testing.assert_array_equal(thelen.tendon_force_length(np.array([0.5, 1.0]), 0.04), [0.0, 0.0])


@given(
    force=st.floats(0.0, 1.32),
    af=st.floats(0.1, 0.6),
    activation=st.floats(0.01, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_thelens_force_velocity_inverts_his_equations(force: float, af: float, activation: float) -> None:
    flen, active = 1.4, activation * 0.8  # of a fibre whose force–length multiplier is 0.8
    scaled = force * active
    b = active + scaled / af if force <= 1.0 else (2.0 + 2.0 / af) * (active * flen - scaled) / (flen - 1.0)
    speed = (0.25 + 0.75 * activation) * (scaled - active) / b
    found = thelen.force_velocity(np.array(speed) / thelen.speed_scale(activation), af, flen, 0.95)
    assert found == pytest.approx(force, abs=1e-12)


@pytest.mark.parametrize("name", CLOSED)
def test_slopes_of_closed_forms(name: str) -> None:
    value, slope, parameters, (low, high) = CLOSED[name]
    x, step = np.linspace(low, high, 401) + 1e-5, 1e-6  # off the kinks of Thelen's curves at rest and at slack
    expected = (value(x + step, *parameters) - value(x - step, *parameters)) / (2.0 * step)
    np.testing.assert_allclose(slope(x, *parameters), expected, rtol=DIFFERENCES, atol=DIFFERENCES)


@pytest.mark.parametrize("name", DEFAULTS)
def test_slopes_of_millards_curves(name: str) -> None:
    curve, step = drawn(name), 1e-6
    first, last = curve.x[0, 0, 0], curve.x[0, -1, 3]
    x = np.linspace(first - 0.3, last + 0.3, 501)[:, None] + 1e-5
    expected = (curve.value(x + step) - curve.value(x - step)) / (2.0 * step)
    value, slope = curve.evaluate(x)
    np.testing.assert_allclose(slope, expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(value, curve.value(x))


@given(
    curviness=st.floats(0.0, 1.0),
    near=st.floats(0.02, 0.9),
    isometric=st.floats(1.5, 20.0),
    highest=st.floats(1.25, 2.0),
    share=st.floats(0.0, 1.0),
)
@settings(max_examples=60, deadline=None)
def test_every_curve_is_inverted(curviness: float, near: float, isometric: float, highest: float, share: float) -> None:
    values = (0.0, near, isometric, 0.0, 0.15, highest, curviness, curviness)
    curve = millard.force_velocity(*(np.array([value]) for value in values))
    # close to its ends a corner runs along its lines, and u like a root of x
    u = np.concatenate([[share], 10.0 ** -np.arange(1.0, 8.0), 1.0 - 10.0 ** -np.arange(1.0, 8.0)])
    for corner in range(4):
        x, y = (millard.quintic(u, *points[0, corner][:, None]) for points in (curve.x, curve.y))
        np.testing.assert_allclose(curve.value(x[:, None])[:, 0], y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["velocity", "passive", "tendon", *(name for name in CLOSED if "active" not in name)])
def test_force_never_falls(name: str) -> None:
    x = np.linspace(-3.0, 3.0, 2001)
    if name in DEFAULTS:
        force = drawn(name).value(x[:, None])[:, 0]
    else:
        value, _, parameters, _ = CLOSED[name]
        force = value(x[x < 2.0] if "tendon" in name else x, *parameters)
    assert (np.diff(force) >= -1e-13).all()
    assert force[-1] > force[0]


def test_active_force_peaks_at_the_optimal_length() -> None:
    x = np.linspace(0.0, 2.5, 1001)
    for force in (
        drawn("active").value(x[:, None])[:, 0],
        thelen.active_force_length(x, 0.45),
    ):
        assert x[np.argmax(force)] == pytest.approx(1.0)
        assert force.max() == pytest.approx(1.0)
        assert (force >= 0.0).all()
    # the sum of three bells does not peak where it is one
    bells = degroote.active_force_length(x, 1.0)
    assert abs(x[np.argmax(bells)] - 1.0) < 0.02
    assert 1.0 < bells.max() < 1.002


def test_a_parallel_corner_is_straight() -> None:
    points = millard.corner(
        np.zeros((2, 1)), np.array([2.0]), np.array([[1.0], [2.0]]), np.array([2.0]), np.array([0.5])
    )
    np.testing.assert_allclose(points[1], 2.0 * points[0], atol=1e-15)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_of_torch_arrays(name: str) -> None:
    torch = pytest.importorskip("torch")
    value, slope, parameters, (low, high) = CLOSED[name]
    x = np.linspace(low, high, 51) + 1e-5
    own = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    force = value(own, *parameters)
    np.testing.assert_allclose(force.detach().numpy(), value(x, *parameters), rtol=1e-14, atol=1e-15)
    (gradient,) = torch.autograd.grad(force.sum(), own)
    np.testing.assert_allclose(gradient.numpy(), slope(x, *parameters), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(slope(own.detach(), *parameters).numpy(), slope(x, *parameters), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", INVERSES)
def test_inverses_of_torch_arrays(name: str) -> None:
    torch = pytest.importorskip("torch")
    inverse, parameters, bounds = INVERSES[name]
    force = np.linspace(*bounds, 51)
    found = inverse(torch.tensor(force, dtype=torch.float64), *parameters)
    np.testing.assert_allclose(found.numpy(), inverse(force, *parameters), rtol=1e-13, atol=1e-15)


def test_closed_forms_of_casadi_expressions() -> None:
    """In a process of its own, because casadi must not meet opensim."""
    code = """
import sys
import casadi, numpy as np
sys.path[:0] = sys.argv[1:]
from test_muscle_curves import CLOSED, INVERSES
for name, (value, slope, parameters, (low, high)) in CLOSED.items():
    x, symbol = np.linspace(low, high, 51) + 1e-5, casadi.MX.sym("x")
    force = value(symbol, *parameters)
    both = casadi.Function("both", [symbol], [force, casadi.gradient(force, symbol), slope(symbol, *parameters)])
    found = np.array(both.map(51)(x[None])).reshape(3, -1)
    expected = [value(x, *parameters), slope(x, *parameters), slope(x, *parameters)]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12, err_msg=name)
for name, (inverse, parameters, bounds) in INVERSES.items():
    force, symbol = np.linspace(*bounds, 51), casadi.MX.sym("force")
    found = casadi.Function("inverse", [symbol], [inverse(symbol, *parameters)]).map(51)(force[None])
    np.testing.assert_allclose(np.array(found).ravel(), inverse(force, *parameters), 1e-12, 1e-13, err_msg=name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE), str(HERE / "muscle")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_numbers_and_lists_are_numpys() -> None:
    assert namespace(1.0) is np
    assert namespace(np.float64(1.0)) is np
    np.testing.assert_array_equal(where(np.array([True, False]), 1.0, 2.0), [1.0, 2.0])

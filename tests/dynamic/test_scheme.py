"""Transcriptions: points, weights and integrals against numbers derived elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

from osimopt.dynamic.mesh import MOST_RADAU_POINTS, RADAU, Mesh, scheme
from osimopt.errors import InputError

#: What is left is rounding, which grows with the degree: 4e-12 at 9 points.
EXACT = 1e-12
HIGH = 1e-10
#: Roots of a polynomial of degree 9 lose some digits.
ROOTS = 1e-10

NAMES = ("trapezoidal", "hermite-simpson", *(f"{RADAU}-{count}" for count in range(1, MOST_RADAU_POINTS + 1)))
#: Degree up to which the quadrature is exact: Lobatto 2 n - 3 with n points, Radau 2 n - 2.
DEGREES = {"trapezoidal": 1, "hermite-simpson": 3} | {f"{RADAU}-{count}": 2 * count - 2 for count in range(1, 10)}


@pytest.mark.parametrize("name", NAMES)
def test_weights_integrate_polynomials_up_to_their_degree_and_no_further(name: str) -> None:
    chosen = scheme(name)
    for degree in range(DEGREES[name] + 1):
        assert chosen.weights @ chosen.collocation**degree == pytest.approx(1.0 / (degree + 1), abs=EXACT)
    beyond = DEGREES[name] + 1
    if beyond < 8:  # what the rule misses falls to rounding with the degree
        assert abs(chosen.weights @ chosen.collocation**beyond - 1.0 / (beyond + 1)) > 1e-7
    assert chosen.order == DEGREES[name] + 1
    assert (chosen.weights > 0.0).all()


@pytest.mark.parametrize("name", NAMES)
def test_integrals_are_exact_for_what_the_points_determine(name: str) -> None:
    """Every polynomial rate through the collocation points, integrated from 0 to each point."""
    chosen = scheme(name)
    for degree in range(len(chosen.collocation)):
        expected = chosen.points[1:] ** (degree + 1) / (degree + 1)
        assert chosen.integrals @ chosen.collocation**degree == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_lagrange_polynomials_are_one_at_their_own_point(name: str) -> None:
    chosen = scheme(name)
    basis = np.array([polynomial(chosen.collocation) for polynomial in chosen.lagrange])
    assert basis == pytest.approx(np.eye(len(chosen.collocation)), abs=HIGH)


@pytest.mark.parametrize("name", NAMES)
def test_points_begin_at_0_and_end_at_1(name: str) -> None:
    chosen = scheme(name)
    assert chosen.points[0] == 0.0
    assert chosen.points[-1] == 1.0
    assert (np.diff(chosen.points) > 0.0).all()
    assert np.array_equal(chosen.points[chosen.collocated], chosen.collocation)
    assert (chosen.collocated[0] == 0) == (name in ("trapezoidal", "hermite-simpson"))


@pytest.mark.parametrize("count", range(1, MOST_RADAU_POINTS + 1))
def test_radau_points_are_zeros_of_a_derivative(count: int) -> None:
    """Of d^(n-1)/dx^(n-1) x^(n-1) (x - 1)^n, Rodrigues' formula for the right Radau points on [0, 1]."""
    wanted = (Polynomial([0.0, 1.0]) ** (count - 1) * Polynomial([-1.0, 1.0]) ** count).deriv(count - 1)
    points = scheme(f"{RADAU}-{count}").collocation
    slope = np.abs(wanted.deriv()(points))
    assert len(points) == count
    assert np.abs(wanted(points) / slope).max() < ROOTS  # one Newton step would move them no further


def test_radau_points_of_textbooks() -> None:
    """Butcher's tableaus of Radau IIA with 2 and 3 points."""
    root = np.sqrt(6.0)
    two, three = scheme(f"{RADAU}-2"), scheme(RADAU)
    assert two.integrals == pytest.approx(np.array([[5 / 12, -1 / 12], [3 / 4, 1 / 4]]), abs=EXACT)
    assert three.collocation == pytest.approx([(4 - root) / 10, (4 + root) / 10, 1.0], abs=EXACT)
    expected = [
        [(88 - 7 * root) / 360, (296 - 169 * root) / 1800, (-2 + 3 * root) / 225],
        [(296 + 169 * root) / 1800, (88 + 7 * root) / 360, (-2 - 3 * root) / 225],
        [(16 - root) / 36, (16 + root) / 36, 1 / 9],
    ]
    assert three.integrals == pytest.approx(np.array(expected), abs=EXACT)
    assert scheme(f"{RADAU}-1").integrals == pytest.approx(np.array([[1.0]]))  # backward Euler


def test_trapezoidal_rule() -> None:
    assert scheme("trapezoidal").integrals == pytest.approx(np.array([[0.5, 0.5]]))


def test_hermite_simpson_is_hermites_midpoint_and_simpsons_rule() -> None:
    """x_m = (x_0 + x_1)/2 + h (f_0 - f_1)/8 and x_1 = x_0 + h (f_0 + 4 f_m + f_1)/6, as they are usually written."""
    simpson = np.array([1.0, 4.0, 1.0]) / 6.0
    midpoint = 0.5 * simpson + np.array([1.0, 0.0, -1.0]) / 8.0
    assert scheme("hermite-simpson").integrals == pytest.approx(np.stack([midpoint, simpson]), abs=EXACT)


def test_radau_without_a_number_has_three_points() -> None:
    assert np.array_equal(scheme(RADAU).collocation, scheme(f"{RADAU}-3").collocation)
    assert scheme(RADAU).name == f"{RADAU}-3"


@pytest.mark.parametrize(
    "name", ["simpson", "Trapezoidal", "legendre-gauss", f"{RADAU}-0", f"{RADAU}-10", f"{RADAU}-", f"{RADAU}-x", "", 3]
)
def test_other_names_are_refused(name: object) -> None:
    with pytest.raises(InputError, match=r"expected transcription 'trapezoidal'.*got .*Choose one of them") as caught:
        scheme(name)  # type: ignore[arg-type]
    assert repr(name) in str(caught.value)


# ------------------------------------------------------------------------------------------------ meshes


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5),
    st.floats(-5.0, 5.0),
)
def test_a_mesh_integrates_and_interpolates(name: str, durations: list[float], first: float) -> None:
    """A polynomial rate of the degree that the scheme carries, over intervals of any duration."""
    mesh = Mesh(scheme(name), first + np.concatenate([[0.0], np.cumsum(durations)]))
    degree = len(mesh.scheme.collocation) - 1
    rate = Polynomial(np.cos(np.arange(degree + 1.0)), domain=[first, mesh.edges[-1]])
    state = rate.integ(lbnd=first)
    fine = np.linspace(first, mesh.edges[-1], 23)
    size = 1.0 + np.abs(rate(mesh.time)).max()
    assert len(mesh.time) == len(durations) * (len(mesh.scheme.points) - 1) + 1
    assert (np.diff(mesh.time) > 0.0).all()
    assert mesh.quadrature.sum() == pytest.approx(mesh.edges[-1] - first, rel=1e-9)
    assert mesh.quadrature @ rate(mesh.time) == pytest.approx(state(mesh.edges[-1]), abs=1e-9 * size)
    assert mesh.interpolate(fine, rate(mesh.time)) == pytest.approx(rate(fine), abs=1e-9 * size)


@pytest.mark.parametrize(("interval", "count"), [(0.1, 10), (0.11, 10), (0.099, 11), (1.0, 1), (0.25, 4), (1 / 3, 3)])
def test_uniform_intervals_are_none_longer(interval: float, count: int) -> None:
    mesh = Mesh.uniform(scheme("trapezoidal"), 2.0, 3.0, interval)
    assert len(mesh) == count
    assert (mesh.edges[0], mesh.edges[-1]) == (2.0, 3.0)
    assert mesh.durations == pytest.approx(1.0 / count)


def test_the_summary_of_a_mesh_lists_only_uneven_edges() -> None:
    even = Mesh.uniform(scheme("hermite-simpson"), 0.1, 1.3, 0.007)
    summary = even.summary()
    assert summary == {"first": 0.1, "last": 1.3, "count": len(even) + 1}
    assert np.linspace(summary["first"], summary["last"], summary["count"]) == pytest.approx(even.edges)
    uneven = Mesh(scheme("trapezoidal"), np.array([0.0, 0.1, 0.3]))
    assert uneven.summary() == [0.0, 0.1, 0.3]

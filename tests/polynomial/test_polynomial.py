"""Polynomial muscle paths: terms, evaluation, files, the fit; OpenSim is the oracle for its own file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script
from hypothesis import given, settings
from hypothesis import strategies as st

from osimopt import InputError, PolynomialGeometry
from osimopt.files.storage import write_atomically
from osimopt.polynomial import Fit, MusclePolynomial, files
from osimopt.polynomial.files import fits_path
from osimopt.polynomial.fit import LEFT_OUT, SNAPPED, Target, fit_potentials
from osimopt.polynomial.fixed_order import fit_order
from osimopt.polynomial.terms import count_terms, evaluate_terms, list_exponents

#: m; the same polynomial summed in another order.
ROUNDING = 1e-12
#: Relative; central differences with a step of 1e-5 of polynomials of order 4.
DIFFERENCES = 1e-8
#: m; a polynomial recovered through a QR factorization and a change of basis.
RECOVERED = 1e-10

NAMES = ("hip", "knee", "ankle", "unused")


def polynomial(path: str, coordinates: tuple[str, ...], order: int, seed: int) -> MusclePolynomial:
    rng = np.random.default_rng(seed)
    coefficients = rng.normal(scale=0.05, size=count_terms(len(coordinates), order))
    fit = Fit(-np.ones(len(coordinates)), np.ones(len(coordinates)), 1e-5, 2e-5, 3e-5, 4e-5, 0.01, ('one "flag"', "°"))
    return MusclePolynomial(path, tuple(f"/jointset/j/{name}" for name in coordinates), order, coefficients, fit)


@pytest.fixture
def geometry() -> PolynomialGeometry:
    return PolynomialGeometry((
        polynomial("/forceset/two", ("hip", "knee"), 3, 0),
        polynomial("/forceset/ankle", ("ankle",), 5, 1),
        polynomial("/forceset/also_two", ("hip", "knee"), 4, 2),
    ))  # fmt: skip


@pytest.fixture
def motion() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.uniform(-0.9, 0.9, (20, 4)), rng.normal(size=(20, 4))


def test_terms_are_in_the_order_of_opensims_header() -> None:
    listed = ["000", "001", "002", "003", "010", "011", "012", "020", "021", "030"]
    listed += ["100", "101", "102", "110", "111", "120", "200", "201", "210", "300"]
    assert ["".join(map(str, row)) for row in list_exponents(3, 3).tolist()] == listed


def test_lengths_are_the_sums_of_their_terms(geometry: PolynomialGeometry, motion: tuple[np.ndarray, ...]) -> None:
    value, _ = motion
    evaluated = geometry.evaluate(NAMES, value)
    for column, own in enumerate(geometry.polynomials):
        q = value[:, [NAMES.index(name) for name in own.coordinates]]
        terms = np.prod(q[:, None, :] ** list_exponents(q.shape[1], own.order)[None], axis=2)
        assert evaluated.length is not None
        assert np.abs(evaluated.length[:, column] - terms @ own.coefficients).max() < ROUNDING


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 1000))
def test_moment_arms_are_the_slopes_of_the_length(dimension: int, order: int, seed: int) -> None:
    names = tuple("abcd"[:dimension])
    geometry = PolynomialGeometry((polynomial("/forceset/m", names, order, seed),))
    q = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, dimension))
    arms = geometry.evaluate(names, q).moment_arm[:, :, 0]
    for variable in range(dimension):
        step = 1e-5 * np.eye(dimension)[variable]
        ahead, behind = (geometry.evaluate(names, q + sign * step).length for sign in (1.0, -1.0))
        assert ahead is not None
        assert behind is not None
        assert np.abs(arms[:, variable] + (ahead - behind)[:, 0] / 2e-5).max() < DIFFERENCES


def test_lengthening_speed_and_pairs(geometry: PolynomialGeometry, motion: tuple[np.ndarray, ...]) -> None:
    value, speed = motion
    evaluated = geometry.evaluate(NAMES, value, speed)
    assert evaluated.coordinates == ("hip", "knee", "ankle")
    assert evaluated.muscles == ("two", "ankle", "also_two")
    pairs = list(zip(evaluated.pair_coordinate.tolist(), evaluated.pair_muscle.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 2), (1, 0), (1, 2), (2, 1)]
    assert evaluated.lengthening_speed is not None
    expected = -np.einsum("tdm,td->tm", evaluated.moment_arm, speed[:, :3])
    assert np.abs(evaluated.lengthening_speed - expected).max() < ROUNDING
    assert geometry.evaluate(NAMES, value).lengthening_speed is None


def test_order_of_the_columns_does_not_matter(geometry: PolynomialGeometry, motion: tuple[np.ndarray, ...]) -> None:
    value, speed = motion
    there = geometry.evaluate(NAMES, value, speed)
    back = geometry.evaluate(NAMES[::-1], value[:, ::-1], speed[:, ::-1])
    assert back.coordinates == there.coordinates[::-1]
    assert np.array_equal(back.moment_arm[:, ::-1], there.moment_arm)


def test_outside_counts_frames(geometry: PolynomialGeometry, motion: tuple[np.ndarray, ...]) -> None:
    value, _ = motion
    assert geometry.outside(NAMES, value) == {}
    value[3:5, 0] = 1.1
    value[4:6, 1] = -1.1
    assert geometry.outside(NAMES, value) == {"two": 3, "also_two": 3}
    unknown = PolynomialGeometry(tuple(replace(own, fit=None) for own in geometry.polynomials))
    assert unknown.outside(NAMES, value) == {}


def test_wrong_columns_are_refused(geometry: PolynomialGeometry) -> None:
    with pytest.raises(InputError, match="a column for knee"):
        geometry.evaluate(("hip", "ankle"), np.zeros((1, 2)))
    with pytest.raises(InputError, match="value of shape"):
        geometry.evaluate(NAMES, np.zeros((2, 3)))
    with pytest.raises(InputError, match="speed of shape"):
        geometry.evaluate(NAMES, np.zeros((2, 4)), np.zeros((1, 4)))


def test_select(geometry: PolynomialGeometry) -> None:
    assert geometry.select(["ankle", "two"]).muscles == ("ankle", "two")
    with pytest.raises(InputError, match="none for soleus"):
        geometry.select(["soleus"])


def test_file_round_trip(geometry: PolynomialGeometry, tmp_path: Path) -> None:
    path = tmp_path / "paths.xml"
    geometry.write(path)
    back = PolynomialGeometry.read(path)
    for own, read in zip(geometry.polynomials, back.polynomials, strict=True):
        assert (own.path, own.coordinate_paths, own.order) == (read.path, read.coordinate_paths, read.order)
        assert np.array_equal(own.coefficients, read.coefficients)
    assert back.to_dataframe().equals(geometry.to_dataframe())
    assert back.outside(NAMES, np.full((1, 4), 2.0)) == {"two": 1, "ankle": 1, "also_two": 1}


def test_fits_of_another_file_are_not_used(geometry: PolynomialGeometry, tmp_path: Path) -> None:
    path = tmp_path / "paths.xml"
    geometry.write(path)
    path.write_text(path.read_text().replace("<order>5</order>", "<order> 5</order>"))
    with pytest.warns(UserWarning, match="another version"):
        assert all(own.fit is None for own in PolynomialGeometry.read(path).polynomials)
    fits_path(path).write_text("paths_sha256 = 3")
    with pytest.warns(UserWarning, match="another version"):
        PolynomialGeometry.read(path)
    fits_path(path).write_text("nonsense")
    with pytest.raises(InputError, match="ranges and errors"):
        PolynomialGeometry.read(path)


def test_a_crash_while_writing_leaves_no_wrong_pair(
    geometry: PolynomialGeometry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether paths or fits fail, the ranges read back are those of the paths read back, or there are none."""
    path = tmp_path / "paths.xml"
    other = PolynomialGeometry(tuple(replace(own, coefficients=2.0 * own.coefficients) for own in geometry.polynomials))
    for fails in (".xml", ".toml"):
        geometry.write(path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "write_atomically", failing(fails))
            with pytest.raises(OSError, match="disk full"):
                other.write(path)
        if fails == ".xml":
            assert PolynomialGeometry.read(path).to_dataframe().equals(geometry.to_dataframe())
        else:
            with pytest.warns(UserWarning, match="another version"):
                read = PolynomialGeometry.read(path).polynomials
            assert all(own.fit is None for own in read)
            assert np.array_equal(read[0].coefficients, other.polynomials[0].coefficients)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, fits_path(path).name}


def failing(suffix: str) -> Callable[[Path, str | bytes], None]:
    def write(path: Path, content: str | bytes) -> None:
        if path.suffix == suffix:
            raise OSError("disk full")
        write_atomically(path, content)

    return write


def test_paths_without_fits_leave_none_beside_them(geometry: PolynomialGeometry, tmp_path: Path) -> None:
    path = tmp_path / "paths.xml"
    geometry.write(path)
    PolynomialGeometry(tuple(replace(own, fit=None) for own in geometry.polynomials)).write(path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="existing folder"):
        geometry.write(tmp_path / "none" / "paths.xml")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<order>3</order>", "<order>4</order>", "coefficients"),
        ("<dimension>2</dimension>", "<dimension>3</dimension>", "dimension 2"),
        ("<order>3</order>", "<order>x</order>", "numbers"),
        ("/forceset/two", "/forceset/ankle", "one path per muscle"),
        ("</FunctionBasedPath>", "", "not XML"),
        ("FunctionBasedPath name", "GeometryPath name", "not XML"),
        ("<coefficients>", "<coefficients>nan ", "coefficients"),
    ],
)
def test_wrong_files_are_refused(geometry: PolynomialGeometry, tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "paths.xml"
    PolynomialGeometry(tuple(replace(own, fit=None) for own in geometry.polynomials)).write(path)
    edit(path, old, new)
    with pytest.raises(InputError, match=says):
        PolynomialGeometry.read(path)


def test_other_functions_and_files_are_refused(geometry: PolynomialGeometry, tmp_path: Path) -> None:
    path = tmp_path / "paths.xml"
    geometry.write(path)
    path.write_text(path.read_text().replace("MultivariatePolynomialFunction", "SimmSpline"))
    with pytest.raises(InputError, match="SimmSpline"):
        PolynomialGeometry.read(path)
    with pytest.raises(InputError, match="no such file"):
        PolynomialGeometry.read(tmp_path / "none.xml")
    path.write_text("<OpenSimDocument><Model/></OpenSimDocument>")
    with pytest.raises(InputError, match="FunctionBasedPathSet"):
        PolynomialGeometry.read(path)


def function(coefficients: str, dimension: int, order: int) -> str:
    kind = "MultivariatePolynomialFunction"
    inside = f"<coefficients>{coefficients}</coefficients><dimension>{dimension}</dimension><order>{order}</order>"
    return f"<{kind}>{inside}</{kind}>"


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("what", ["moment_arm_functions", "lengthening_speed_function"])
def test_given_moment_arms_and_speeds_must_be_derivatives(tmp_path: Path, what: str, good: bool) -> None:
    path = tmp_path / "paths.xml"
    own = MusclePolynomial("/forceset/m", ("/jointset/j/a",), 2, np.array([0.3, 0.1, 0.2]))  # 0.3 + 0.1 q + 0.2 q²
    PolynomialGeometry((own,)).write(path)
    arm = function("-0.1 -0.4" if good else "0.1 0.4", 1, 1)
    speed = function("0 0.1 0 0 0.4 0" if good else "0 0.1 0 0 0.5 0", 2, 2)  # (0.1 + 0.4 q) u; terms 1 u u² q qu q²
    inside = arm if what == "moment_arm_functions" else speed
    edit(path, "</length_function>", f"</length_function><{what}>{inside}</{what}>")
    if good:
        assert PolynomialGeometry.read(path).muscles == ("m",)
    else:
        with pytest.raises(InputError, match="derived from the length"):
            PolynomialGeometry.read(path)


@pytest.mark.parametrize(("off", "refused"), [(1.5e-6, True), (0.7e-6, False)])
def test_how_exact_derivatives_must_be(tmp_path: Path, off: float, refused: bool) -> None:
    path = tmp_path / "paths.xml"
    PolynomialGeometry((MusclePolynomial("/forceset/m", ("/j/a",), 1, np.array([0.3, 0.1])),)).write(path)
    inside = function(repr(-0.1 + off), 1, 0)
    edit(path, "</length_function>", f"</length_function><moment_arm_functions>{inside}</moment_arm_functions>")
    if refused:
        with pytest.raises(InputError, match="differs by"):
            PolynomialGeometry.read(path)
    else:
        assert PolynomialGeometry.read(path).muscles == ("m",)


def sampled(order: int, count: int, seed: int, low: np.ndarray, high: np.ndarray, muscles: int = 3) -> tuple:
    rng = np.random.default_rng(seed)
    degree = list_exponents(len(low), order).sum(axis=1)
    coefficients = np.random.default_rng(9).normal(scale=0.1 * 0.2**degree, size=(muscles, len(degree)))
    value = rng.uniform(low, high, (count, len(low)))
    names = tuple("abcd"[: len(low)])
    paths = tuple(f"/j/{name}" for name in names)
    own = tuple(MusclePolynomial(f"/m{i}", paths, order, row) for i, row in enumerate(coefficients))
    evaluated = PolynomialGeometry(own).evaluate(names, value)
    assert evaluated.length is not None
    return Target(value, evaluated.length, -evaluated.moment_arm), coefficients


LOW, HIGH = np.array([-0.5, 0.2, -2.0]), np.array([0.4, 0.9, 0.1])


def test_a_polynomial_is_recovered() -> None:
    train, coefficients = sampled(4, 300, 0, LOW, HIGH)
    found = fit_potentials(train, sampled(4, 80, 1, LOW, HIGH)[0], LOW, HIGH, 1e-9, 9)
    for potential, expected in zip(found, coefficients, strict=True):
        assert potential.order == 4
        assert potential.rms < RECOVERED
        assert np.abs(potential.coefficients - expected).max() < RECOVERED


def test_the_normal_matrix_gives_what_least_squares_by_qr_do() -> None:
    """Of a function that no polynomial follows, with postures missing."""
    parts = [sampled(2, count, seed, LOW, HIGH, 2)[0] for count, seed in ((400, 0), (100, 1))]
    for part in parts:
        bend = np.maximum(part.value[:, 1] - 0.5, 0.0)
        part.length[:] += 0.1 * bend[:, None] ** 2
        part.slope[:, 1] += 0.2 * bend[:, None]
    parts[0].length[:7, 1] = np.nan
    for muscle, potential in enumerate(fit_potentials(*parts, LOW, HIGH, 1e-15, 6)):
        assert potential is not None
        order, expected = fit_order(parts[0].muscles([muscle]), LOW, HIGH, potential.order)
        assert order == potential.order > 3
        terms = evaluate_terms(np.ascontiguousarray(parts[1].value.T), order)
        assert np.abs((potential.coefficients - expected[:, 0]) @ terms).max() < RECOVERED


def test_the_lowest_order_that_is_good_enough() -> None:
    train, held_out = (sampled(4, count, seed, LOW, HIGH)[0] for count, seed in ((300, 0), (80, 1)))
    loose = fit_potentials(train, held_out, LOW, HIGH, 5e-3, 9)
    assert all(potential.rms <= 5e-3 and potential.order < 4 for potential in loose)
    capped = fit_potentials(train, held_out, LOW, HIGH, 1e-9, 2)
    assert all(potential.order == 2 and potential.rms > 1e-9 for potential in capped)


def test_terms_stay_below_half_the_equations() -> None:
    train, held_out = (sampled(9, count, seed, LOW, HIGH)[0] for count, seed in ((20, 0), (80, 1)))
    found = fit_potentials(train, held_out, LOW, HIGH, 1e-15, 9)
    assert max(count_terms(3, potential.order) for potential in found) <= 20 * 4 // 2
    assert fit_potentials(sampled(2, 1, 0, LOW, HIGH)[0], held_out, LOW, HIGH, 1e-15, 9) == [None] * 3


def open_terms(second: np.ndarray) -> tuple[Target, Target, np.ndarray, np.ndarray]:
    """Lengths alone, in postures whose first or second coordinate is at the middle of its range; held-out ones."""
    low, high = -np.ones(2), np.ones(2)
    train, held_out = (sampled(1, count, seed, low, high)[0] for count, seed in ((200, 0), (80, 1)))
    value = np.where(second[:, None], [[0.0, 1.0]], [[1.0, 0.0]]) * train.value
    rows = np.stack([np.ones(len(value)), value[:, 1], value[:, 0]])
    length = (np.array([0.4, 0.03, 0.02]) @ rows)[:, None].repeat(3, axis=1)
    return Target(value, length, np.full_like(train.slope, np.nan)), held_out, low, high


def test_a_term_that_the_postures_leave_open_ends_the_search() -> None:
    """The product of both coordinates is zero in every posture: order 2 is singular, order 1 is not."""
    potentials = fit_potentials(*open_terms(np.arange(200) % 2 == 0), 1e-15, 9)
    assert [potential.order for potential in potentials if potential is not None] == [1] * 3


def test_a_coordinate_that_the_postures_leave_open() -> None:
    assert fit_potentials(*open_terms(np.ones(200, dtype=bool)), 1e-15, 9) == [None] * 3


def test_postures_without_a_path_are_left_alone() -> None:
    train, coefficients = sampled(3, 300, 0, LOW, HIGH)
    train.length[:5, 1] = np.nan
    train.slope[5:9, 2, 0] = np.nan
    found = fit_potentials(train, sampled(3, 80, 1, LOW, HIGH)[0], LOW, HIGH, 1e-9, 5)
    assert max(np.abs(p.coefficients - c).max() for p, c in zip(found, coefficients, strict=True)) < RECOVERED


def test_snapped_postures_are_left_out_and_counted() -> None:
    train, coefficients = sampled(3, 400, 0, LOW, HIGH)
    held_out, _ = sampled(3, 100, 1, LOW, HIGH)
    for part in (train, held_out):
        snapped = part.value[:, 0] > 0.36
        part.length[snapped, 1] += 10.0 * SNAPPED
    share = np.mean(np.concatenate([train.value, held_out.value])[:, 0] > 0.36)
    assert 0.0 < share < LEFT_OUT
    found = fit_potentials(train, held_out, LOW, HIGH, 1e-6, 5)
    assert [potential.left_out for potential in found] == pytest.approx([0.0, share, 0.0])
    assert found[1].rms < 1e-6
    assert found[1].length_max > 9.0 * SNAPPED
    assert np.abs(found[1].coefficients - coefficients[1]).max() < RECOVERED


@pytest.mark.parametrize(("share", "left_out"), [(0.15, True), (0.25, False)])
def test_many_snapped_postures_are_no_snap(share: float, left_out: bool) -> None:
    parts = [sampled(3, count, seed, LOW, HIGH, 1)[0] for count, seed in ((400, 0), (100, 1))]
    for part in parts:
        snapped = round(share * len(part.length))
        part.length[:snapped, 0] += np.where(np.arange(snapped) % 2, 5e-3, -5e-3)
    (found,) = fit_potentials(*parts, LOW, HIGH, 1e-6, 5)
    assert (found.left_out > 0.0) is left_out


def test_terms_far_from_zero() -> None:
    exponents = list_exponents(2, 9)
    q = np.array([[-1.3, 2.0], [0.0, 3.1]])
    assert np.allclose(evaluate_terms(q.T.copy(), 9), np.prod(q[None] ** exponents[:, None], axis=2), rtol=1e-14)


def test_opensim_reads_what_is_written(two_leg: TwoLeg, tmp_path: Path) -> None:
    """Every muscle of a model with random polynomials: OpenSim's lengths, moment arms and speeds, to rounding."""
    sides = [("_r", "/jointset/{}_r/{}_r"), ("_l", "/jointset/{}_l/{}_l")]
    muscles = ("iliopsoas", "glut_max", "glut_med", "adductor", "rect_fem", "vasti", "hamstrings", "gastroc", "soleus")
    sets = [[("knee", "knee_angle")], [("knee", "knee_angle"), ("ankle", "ankle_angle")]]
    own = []
    for side, form in sides:
        for index, muscle in enumerate((*muscles, "tib_ant")):
            paths = tuple(form.format(joint, name) for joint, name in sets[index % 2])
            rng = np.random.default_rng(index)
            order = 1 + index % 6
            coefficients = rng.normal(size=count_terms(len(paths), order))
            own.append(MusclePolynomial(f"/forceset/{muscle}{side}", paths, order, coefficients))
    compare_with_opensim(PolynomialGeometry(tuple(own)), two_leg.model, tmp_path)


def test_opensims_own_file(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "walk_80muscles"
    paths = folder / "subject_walk_scaled_FunctionBasedPathSet.xml"
    if not paths.is_file():
        pytest.skip("needs the polynomial paths of the 80-muscle walk")
    geometry = PolynomialGeometry.read(paths)
    assert len(geometry.muscles) == 80
    compare_with_opensim(geometry, folder / "subject_walk_scaled.osim", tmp_path)


def compare_with_opensim(geometry: PolynomialGeometry, model: Path, folder: Path) -> None:
    geometry.write(folder / "written.xml")
    run_script(HERE / "paths_oracle.py", model, folder / "written.xml", 4, folder / "said.npz", cwd=folder)
    with np.load(folder / "said.npz") as said:
        names = said["coordinates"].tolist()
        own = geometry.select(said["muscles"].tolist()).evaluate(names, said["value"], said["speed"])
        assert own.length is not None
        assert own.lengthening_speed is not None
        rows = [names.index(name) for name in own.coordinates]
        assert np.abs(own.length - said["length"]).max() < ROUNDING
        assert np.abs(own.moment_arm - said["moment_arm"][:, rows]).max() < ROUNDING
        assert np.abs(own.lengthening_speed - said["lengthening_speed"]).max() < ROUNDING

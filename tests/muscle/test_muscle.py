"""Forces of muscles against OpenSim's own calls, over odd parameters and far beyond the working range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script
from hypothesis import given, settings
from hypothesis import strategies as st

from osimopt.adapters.model import read_model
from osimopt.datasets import Example
from osimopt.errors import InputError, ModelError
from osimopt.muscle import thelen
from osimopt.muscle.forces import (
    CLASSES,
    COMPUTED,
    activation_slope,
    equilibrium,
    mechanics,
    rigid_tendon_gain,
    rigid_tendon_passive,
    supported,
)
from osimopt.problem.arrays import MuscleParameters

Array = np.ndarray

THELEN, MILLARD, DEGROOTE = COMPUTED

#: What the forces are promised to agree to; absolute in maximum isometric forces, for where they vanish.
RELATIVE, ABSOLUTE = 1e-8, 1e-11
#: OpenSim stops looking for an equilibrium at 1e-8 of the maximum isometric force.
EQUILIBRIUM = 1.1e-8
#: Central differences with a step of 1e-5 in activation.
DIFFERENCES = 1e-7


class Oracle:
    """What OpenSim says, the parameters as the worker describes them, and lengths and speeds for each muscle."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "oracle.npz") as arrays:
            self.says = dict(arrays)
        self.muscles = read_model(folder / "muscles.osim").description.muscles
        self.rigid = read_model(folder / "rigid.osim").description.muscles
        count = len(self.muscles.names)
        self.length, self.speed = (np.repeat(self.says[name][:, None], count, 1) for name in ("length", "speed"))

    def of(self, *kinds: str) -> Array:
        return np.array([name in kinds for name in self.muscles.classes])

    def where_taut(self, force: Array) -> Array:
        """Forces of OpenSim, which mirrors a De Groote fibre where the unit is shorter than the tendon."""
        return where_taut(force, self.length, self.muscles)


@pytest.fixture(scope="module")
def oracle_of_muscles(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    folder = tmp_path_factory.mktemp("muscles")
    run_script(HERE / "muscle_oracle.py", folder, cwd=folder)
    return Oracle(folder)


def where_taut(force: Array, length: Array, muscles: MuscleParameters) -> Array:
    degroote = np.array([name == DEGROOTE for name in muscles.classes])
    return np.where(degroote & (length <= muscles.tendon_slack_length), 0.0, force)


def agree(force: Array, expected: Array, muscles: MuscleParameters) -> None:
    allowed = RELATIVE * np.abs(expected) + ABSOLUTE * muscles.max_isometric_force
    assert (np.abs(force - expected) <= allowed).all()


def test_gain_is_that_of_opensim(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    assert supported(o.muscles).all()
    assert set(o.muscles.classes) == {THELEN, MILLARD, DEGROOTE}
    agree(rigid_tendon_gain(o.muscles, o.length, o.speed), o.where_taut(o.says["gain"]), o.muscles)


def test_a_muscle_shorter_than_its_tendon_has_no_force(oracle_of_muscles: Oracle) -> None:
    """Of any class, at any speed; OpenSim's Thelen and Millard muscles have none either, its De Groote ones push."""
    o = oracle_of_muscles
    short = o.length <= o.muscles.tendon_slack_length
    assert (short.any(axis=0) & ~short.all(axis=0)).all()
    for name, force in (
        ("gain", rigid_tendon_gain(o.muscles, o.length, o.speed)),
        ("gain", rigid_tendon_gain(o.muscles, o.length, o.speed, "corrected")),
        ("passive", rigid_tendon_passive(o.muscles, o.length)),
        ("rigid_force", equilibrium(rigid(o.muscles), o.length, 0.7, -0.5)[1]),
    ):
        np.testing.assert_array_equal(force[short], 0.0)
        others = short & ~o.of(DEGROOTE)
        assert np.abs(o.says[name][others]).max() < 1e-9
        assert (o.says[name][short & o.of(DEGROOTE)] != 0.0).any(), name


def test_passive_force_is_that_of_opensim(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    agree(rigid_tendon_passive(o.muscles, o.length), o.where_taut(o.says["passive"]), o.muscles)


def test_corrected_pennation_projects_the_fibers_force(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    corrected = rigid_tendon_gain(o.muscles, o.length, o.speed, pennation="corrected")
    as_opensim = rigid_tendon_gain(o.muscles, o.length, o.speed)
    along = o.length - o.muscles.tendon_slack_length
    cosine = along / np.hypot(along, o.muscles.optimal_fiber_length * np.sin(o.muscles.pennation_angle))
    degroote, pennated = o.of(DEGROOTE), o.muscles.pennation_angle > 0.01
    taut = np.maximum(cosine, 0.0)
    np.testing.assert_allclose(corrected[:, degroote], (as_opensim * taut)[:, degroote], rtol=1e-12)
    np.testing.assert_array_equal(corrected[:, o.of(THELEN)], as_opensim[:, o.of(THELEN)])
    wide = o.of(MILLARD) & pennated
    ratio = corrected[:, wide] / np.where(as_opensim[:, wide] > 0.0, as_opensim[:, wide], np.nan)
    np.testing.assert_allclose(ratio, np.where(np.isnan(ratio), np.nan, cosine[:, wide]), rtol=0.02)
    assert np.nanmin(ratio) < 0.9


def test_equilibrium_is_that_of_opensim(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    for level, activation in enumerate(o.says["activation"]):
        fiber, force = equilibrium(o.muscles, o.length, activation)
        theirs, at = o.says["tendon_force"][level], o.says["fiber_length"][level]
        # a Thelen fibre that OpenSim leaves at length zero although the tendon pulls more, or gives up on
        stuck = o.of(THELEN) & ((at == 0.0) & (fiber > 0.0) | np.isnan(at))
        assert stuck.mean() < 0.05
        np.testing.assert_array_equal(np.isnan(force), np.isnan(theirs) & ~stuck)
        error = np.abs(force - theirs) / o.muscles.max_isometric_force
        assert np.nanmax(np.where(stuck, 0.0, error)) < EQUILIBRIUM
        taut = ~stuck & (force > 1e-3 * o.muscles.max_isometric_force)
        assert np.nanmax(np.where(taut, np.abs(fiber - at) / o.muscles.optimal_fiber_length, 0.0)) < 1e-7


def test_equilibrium_with_a_rigid_tendon_is_that_of_opensim(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    chosen = o.of(MILLARD, DEGROOTE)
    muscles = o.rigid.select(chosen)
    assert (muscles.properties["ignore_tendon_compliance"] == 1.0).all()
    force = equilibrium(muscles, o.length[:, chosen], o.says["activation"][1])[1]
    agree(force, o.where_taut(o.says["rigid_force"])[:, chosen], muscles)


@pytest.mark.parametrize("velocity", [-2.0, 0.0, 1.0])
def test_equilibrium_balances_fiber_and_tendon(oracle_of_muscles: Oracle, velocity: float) -> None:
    o, activation = oracle_of_muscles, 0.6
    fiber, force = equilibrium(o.muscles, o.length, activation, velocity * o.muscles.optimal_fiber_length)
    for muscles in mechanics(o.muscles):
        own = fiber[:, muscles.columns]
        along = np.sqrt(np.maximum(own**2 - muscles.height**2, 0.0))
        speed = velocity * muscles.optimal / muscles.max_speed + 0.0 * own
        scale = thelen.speed_scale(activation) if muscles.kind.name == THELEN else 1.0
        active = activation * muscles.active.value(own / muscles.optimal) * muscles.velocity.value(speed / scale)
        total = active + muscles.passive.value(own / muscles.optimal) + muscles.damping * speed
        tendon = muscles.tendon.value((o.length[:, muscles.columns] - along) / muscles.slack)
        np.testing.assert_allclose(force[:, muscles.columns], muscles.max_force * tendon, rtol=1e-9, atol=1e-9)
        # a fibre at its shortest may pull less or more than the tendon; one that would push leaves it slack
        free = (own > muscles.floor * (1.0 + 1e-9)) & (total > 0.0)
        assert free.mean() > 0.3
        cosine = np.divide(along, own, out=np.ones_like(own), where=own > 0.0)
        error = np.abs(np.maximum(total, 0.0) * cosine - tendon) / (1.0 + np.abs(tendon))
        assert np.max(error, where=free, initial=0.0) < 1e-11


def rigid(muscles: MuscleParameters) -> MuscleParameters:
    flags = np.ones(len(muscles.names))
    return replace(muscles, properties={**muscles.properties, "ignore_tendon_compliance": flags})


@pytest.mark.parametrize("velocity", [-2.0, 0.0, 1.0])
def test_activation_slope_is_the_difference_of_equilibria(oracle_of_muscles: Oracle, velocity: float) -> None:
    o, step = oracle_of_muscles, 1e-5
    speed = velocity * o.muscles.optimal_fiber_length
    for muscles in (o.muscles, rigid(o.muscles)):
        fiber, force = equilibrium(muscles, o.length, 0.5, speed)
        more, less = (equilibrium(muscles, o.length, 0.5 + side, speed)[1] for side in (step, -step))
        slope = activation_slope(muscles, o.length, 0.5, fiber, speed)
        assert np.isfinite(slope[np.isfinite(force)]).all()
        error = np.abs(slope - (more - less) / (2.0 * step)) / (muscles.max_isometric_force + np.abs(force))
        # where the fibre begins to push or to bear on its shortest length, the force has a kink
        smooth = np.isfinite(error) & ((more > 0.0) == (less > 0.0))
        assert np.max(error, where=smooth, initial=0.0) < DIFFERENCES
        assert (slope[smooth & (force > 0.0)] > 0.0).mean() > 0.5


@given(
    share=st.floats(0.2, 1.8),
    low=st.floats(0.0, 0.99),
    rise=st.floats(0.001, 0.01),
)
@settings(max_examples=25, deadline=None)
def test_equilibrium_force_grows_with_activation(
    oracle_of_muscles: Oracle, share: float, low: float, rise: float
) -> None:
    muscles = oracle_of_muscles.muscles
    length = (muscles.tendon_slack_length + share * muscles.optimal_fiber_length)[None]
    less, more = (equilibrium(muscles, length, activation)[1] for activation in (low, low + rise))
    assert np.isfinite(less[0, ~oracle_of_muscles.of(DEGROOTE)]).all()
    both = np.isfinite(less) & np.isfinite(more)
    assert (more - less >= -1e-9 * muscles.max_isometric_force)[both].all()


def test_every_property_counts(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    for kind in COMPUTED:
        columns = np.flatnonzero(o.of(kind))[2:3]
        # so pennated that the steepest angle decides how short a fibre can be
        muscles = replace(o.muscles.select(columns), pennation_angle=np.array([0.6]))
        length, speed = o.length[:, columns], o.speed[:, columns]
        before = forces(muscles, length, speed)
        for name in CLASSES[kind].needed:
            value = muscles.properties[name]
            other = 1.0 - value if name.startswith("ignore") else value * 1.02 + 1e-3
            changed = replace(muscles, properties={**muscles.properties, name: other})
            assert any((a != b).any() for a, b in zip(before, forces(changed, length, speed), strict=True)), name


def forces(muscles: MuscleParameters, length: Array, speed: Array) -> list[Array]:
    moving = equilibrium(muscles, length, 0.5, 0.1 * speed)
    found = [rigid_tendon_gain(muscles, length, speed), rigid_tendon_passive(muscles, length), *moving]
    return [np.nan_to_num(array) for array in found]


def test_nan_stays_where_it_is(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    length = o.length[100:103].copy()
    length[1] = np.nan
    for found in (
        rigid_tendon_gain(o.muscles, length, o.speed[:3]),
        rigid_tendon_passive(o.muscles, length),
        *equilibrium(o.muscles, length, 0.5),
        *equilibrium(rigid(o.muscles), length, 0.5),
    ):
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 2]][:, ~o.of(DEGROOTE)]).all()


def test_muscles_do_not_depend_on_their_neighbours(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    together = rigid_tendon_gain(o.muscles, o.length, o.speed)
    mixed = np.random.default_rng(3).permutation(len(o.muscles.names))
    apart = rigid_tendon_gain(o.muscles.select(mixed), o.length[:, mixed], o.speed[:, mixed])
    np.testing.assert_allclose(apart, together[:, mixed], rtol=1e-12, atol=1e-12)


def test_wrong_input_is_refused(oracle_of_muscles: Oracle) -> None:
    o = oracle_of_muscles
    with pytest.raises(InputError, match=r"length of shape \(T, 18\)"):
        rigid_tendon_passive(o.muscles, o.length[:, :3])
    with pytest.raises(InputError, match="lengthening_speed"):
        rigid_tendon_gain(o.muscles, o.length, o.speed[0])
    with pytest.raises(InputError, match="pennation"):
        rigid_tendon_gain(o.muscles, o.length, o.speed, pennation="none")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="activation"):
        equilibrium(o.muscles, o.length, np.ones(7))


@pytest.mark.parametrize(
    "change",
    [
        lambda muscles: replace(muscles, classes=("RigidTendonMuscle", *muscles.classes[1:])),
        lambda muscles: replace(muscles, properties={}),
        lambda muscles: replace(muscles, properties={**muscles.properties, "Af": np.full(18, np.nan)}),
    ],
)
def test_what_is_not_supported_is_named(
    oracle_of_muscles: Oracle, change: Callable[[MuscleParameters], MuscleParameters]
) -> None:
    o = oracle_of_muscles
    muscles = change(o.muscles)
    assert not supported(muscles)[0]
    with pytest.raises(ModelError, match=f"'{muscles.names[0]}'"):
        rigid_tendon_gain(muscles, o.length, o.speed)
    kept = supported(muscles)
    if kept.any():
        gain = rigid_tendon_gain(muscles.select(kept), o.length[:, kept], o.speed[:, kept])
        agree(gain, o.where_taut(o.says["gain"])[:, kept], muscles.select(kept))


def test_select_takes_every_field(oracle_of_muscles: Oracle) -> None:
    muscles = oracle_of_muscles.muscles
    chosen = muscles.select(np.array([4, 1]))
    assert chosen.names == (muscles.names[4], muscles.names[1])
    assert chosen.classes == (THELEN, THELEN)
    np.testing.assert_array_equal(chosen.max_control, muscles.max_control[[4, 1]])
    np.testing.assert_array_equal(chosen.pcsa(), muscles.pcsa()[[4, 1]])
    np.testing.assert_array_equal(chosen.properties["Af"], muscles.properties["Af"][[4, 1]])


def gain_in_postures(model: Path, folder: Path) -> None:
    """Compare the rigid-tendon forces of a whole model."""
    run_script(HERE / "muscle_oracle.py", folder, model, cwd=folder)
    muscles = read_model(model).description.muscles
    with np.load(folder / "postures.npz") as says:
        assert (says["gain"] > 0.1 * muscles.max_isometric_force).mean() > 0.3
        length = says["length"]
        agree(rigid_tendon_gain(muscles, length, says["speed"]), where_taut(says["gain"], length, muscles), muscles)


def test_gain_of_the_arm(arm: Example, tmp_path: Path) -> None:
    gain_in_postures(arm.model, tmp_path)


def test_gain_of_the_two_legs(two_leg: TwoLeg, tmp_path: Path) -> None:
    gain_in_postures(two_leg.model, tmp_path)


@pytest.mark.parametrize("model", ["walk_18muscles/subject_walk_armless_18musc", "walk_80muscles/subject_walk_scaled"])
@pytest.mark.slow
def test_gain_of_a_public_model(real_data: Path, tmp_path: Path, model: str) -> None:
    gain_in_postures(real_data / f"{model}.osim", tmp_path)

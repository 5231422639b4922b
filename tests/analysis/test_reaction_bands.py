"""Bands of joint reactions: against each sample alone, and against the linear response where spreads are small."""

from __future__ import annotations

import numpy as np
import pytest
from device_guard import on_the_device
from test_reaction_sensitivity import BODY_WEIGHT, LIMITED, jointed
from test_sensitivity import random_problem
from test_uncertainty import EXACT, by_hand, small

import osimopt
from osimopt import InputError, solve_static
from osimopt.analysis.perturb import Draws
from osimopt.problem.contact import Contact

SPREADS = {"max_isometric_force": 0.1, "moment_arm": 0.05, "generalized_force": 0.03}
CONTACT = Contact("knee", 0.2, upper={"x": 200.0})


@pytest.mark.parametrize("contact", [None, CONTACT], ids=["free", "contact in the cost"])
def test_bands_are_those_of_the_samples_one_by_one(contact: Contact | None) -> None:
    problem, levels = jointed(small()), (10.0, 50.0, 100.0)
    bands = osimopt.propagate_uncertainty(
        problem, SPREADS, 6, 3, levels, contact=contact, joints="knee", on="parent", frame="child"
    )
    draws = Draws.of(problem, SPREADS, 6, 3)
    found = []
    for sample in range(6):
        alone = solve_static(by_hand(problem, draws, sample), contact=contact)
        reaction = alone.reaction_table("knee", on="parent", frame="child").to_numpy()[:, :6]
        found.append(np.hstack([reaction, np.linalg.norm(reaction[:, :3], axis=1, keepdims=True)]))
    wanted = np.percentile(found, levels, axis=0)
    assert bands.joint_reactions.shape == (3, 3, 1, 7)
    np.testing.assert_allclose(bands.joint_reactions[:, :, 0], wanted, atol=EXACT * np.abs(wanted).max())
    table = bands.to_dataframe("joint_reactions")
    assert table.columns.names == ["joint", "component", "percentile"]
    np.testing.assert_array_equal(table["knee", "f", 50.0], bands.joint_reactions[1, :, 0, 6])


@pytest.mark.parametrize("contact", [(), LIMITED["weighted"]], ids=["free", "contact in the cost"])
def test_small_spreads_give_the_linear_response(contact: tuple[Contact, ...]) -> None:
    """What no sample is solved for: the products of the sensitivities and the samples' changes."""
    problem = jointed(random_problem())
    spreads = dict.fromkeys(SPREADS, 1e-4)
    bands = osimopt.propagate_uncertainty(problem, spreads, 20, 1, (0.0, 50.0, 100.0), contact=contact, joints=["knee"])
    factors = Draws.of(problem, spreads, 20, 1).factors
    knee = osimopt.sensitivity(bands.solution).reaction("knee")
    changes = [
        knee.jvp(
            d_generalized_force=(factors["generalized_force"][sample] - 1.0) * problem.generalized_force,
            d_max_force=(factors["max_isometric_force"][sample] - 1.0) * problem.max_force,
            d_moment_arm=(factors["moment_arm"][sample] - 1.0) * problem.geometry.moment_arms,
        )
        for sample in range(20)
    ]
    # passive forces have the factor of strength too, and sensitivities hold them
    passive = problem.passive_force * (factors["max_isometric_force"][:, None] - 1.0)
    assert np.abs(passive).max() < 0.03
    nominal = bands.solution.reaction_table("knee").to_numpy()[:, None, :6].swapaxes(0, 1)
    linear = np.percentile(np.array(changes) + nominal, (0.0, 50.0, 100.0), axis=0)
    width = np.ptp(linear, axis=0)
    off = np.abs(bands.joint_reactions[:, :, 0, :6] - linear).max()
    assert off < 0.05 * width.max()


def test_what_stays_is_said_and_other_contact_refused() -> None:
    problem = jointed(small())
    bands = osimopt.propagate_uncertainty(problem, {"moment_arm": 0.1}, 2, joints="knee")
    assert [text for text in bands.findings() if "same lines" in text]
    assert osimopt.propagate_uncertainty(problem, {"moment_arm": 0.1}, 2).findings() == []
    with pytest.raises(InputError, match="contact"):
        osimopt.propagate_uncertainty(problem, SPREADS, 2, contact=CONTACT, nominal=solve_static(problem))
    with pytest.raises(InputError, match="joints among knee"):
        osimopt.propagate_uncertainty(problem, SPREADS, 2, joints="hip")
    with pytest.raises(InputError, match="joint_reactions"):
        osimopt.propagate_uncertainty(small(), SPREADS, 2, joints="knee")


def test_bands_of_reactions_on_a_device() -> None:
    problem = jointed(small(frames=11))
    ours = osimopt.propagate_uncertainty(problem, SPREADS, 40, contact=CONTACT, joints="knee")
    there = problem.to("torch")
    with on_the_device(40 * 11):
        theirs = osimopt.propagate_uncertainty(
            there, SPREADS, 40, contact=CONTACT, joints="knee", nominal=ours.solution
        )
    np.testing.assert_allclose(theirs.joint_reactions, ours.joint_reactions, atol=1e-6 * BODY_WEIGHT)

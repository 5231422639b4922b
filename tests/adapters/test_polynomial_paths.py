"""Polynomial paths as the adapters take them: what their fit says of itself is said to the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osimopt.adapters.model import read_model
from osimopt.adapters.polynomials import read_polynomials
from osimopt.polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry

ELBOW = "/jointset/r_elbow/r_elbow_flex"
GOOD = Fit(np.zeros(1), np.ones(1), 2e-5, 3e-5, 4e-5, 5e-5, flags=("Snaps by 3.0 mm (moment arm 1.0 mm) at 1.",))
SHORT = replace(GOOD, length_rms=1e-4, moment_arm_rms=1.1e-3, flags=("Not within 0.1 mm.",))
SHORTER = replace(GOOD, length_rms=2.3e-3, moment_arm_rms=0.9e-3, flags=("Not within 0.1 mm.",))


def test_paths_whose_fit_missed_its_tolerance_are_one_warning(arm) -> None:
    model = read_model(arm.model)
    names = model.description.muscles.names

    def paths(fits: dict[str, Fit | None]) -> PolynomialGeometry:
        of = [(f"/forceset/{name}", fits.get(name, GOOD)) for name in names]
        return PolynomialGeometry(tuple(MusclePolynomial(path, (ELBOW,), 0, np.ones(1), fit) for path, fit in of))

    told = r"2 of 6 muscles missed .*; the worst, BRA, is off by 2\.3 mm in length and 0\.9 mm in moment arm"
    with pytest.warns(UserWarning, match=told) as caught:
        read_polynomials(paths({"BRA": SHORTER, "TRIlat": SHORT}), model, arm.motion, 1)
    assert len(caught) == 1
    read_polynomials(paths({"BRA": None}), model, arm.motion, 1)

"""Polynomial paths as the adapters take them: what their fit says of itself is said to the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osimopt.adapters.model import read_model
from osimopt.adapters.polynomials import fitted_to, read_polynomials
from osimopt.polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry
from osimopt.problem.path_record import PATHS, PathRecord

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


def test_which_paths_were_fitted_is_said() -> None:
    muscles = tuple(MusclePolynomial(f"/forceset/{name}", (ELBOW,), 0, np.ones(1)) for name in ("a", "b"))
    exact = PathRecord({"a": "exact", "b": "exact"})
    assert fitted_to(None) == fitted_to(PolynomialGeometry(muscles, record=exact)) == []
    (text,) = fitted_to(PolynomialGeometry(muscles))
    assert text.startswith("Fitted to OpenSim's paths (nothing else is recorded of them): a, b.")
    mixed = PolynomialGeometry(muscles, record=PathRecord({"a": "exact", "b": "opensim"}))
    assert [text.split(".")[0] for text in fitted_to(mixed)] == ["Fitted to OpenSim's paths: b"]
    assert fitted_to(mixed.select(["a"])) == []
    (text,) = fitted_to(PolynomialGeometry(muscles, record=replace(exact, version=PATHS + 1)))
    assert text.startswith(f"Fitted to exact paths of version {PATHS + 1}, those of this osimopt have version {PATHS}")

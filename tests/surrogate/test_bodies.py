"""Bodies that a dynamic surrogate was trained on: measured from muscles, kept in its folder, never silently left."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from limb_cases import JOINTS, NAMES, limb, parameters

import osimopt
from osimopt import InputError
from osimopt.pipeline.methods import solve_by_surrogate
from osimopt.problem.arrays import MuscleParameters
from osimopt.surrogate.architecture import Architecture, Scaler
from osimopt.surrogate.bodies import BodyRanges
from osimopt.surrogate.dynamic import DynamicSurrogate
from osimopt.surrogate.strides import features, named_features
from osimopt.surrogate.tendon import TendonNetwork

SHAPE = Architecture("cnn", width=4, depth=1, kernel=3)


def body(size: float, strength: float, muscle: int | None = None, factor: float = 1.0) -> MuscleParameters:
    """A similar body, one muscle of which has another strength."""
    own, single = parameters(), np.ones(len(NAMES))
    if muscle is not None:
        single[muscle] = factor
    return replace(
        own,
        max_isometric_force=size**2 * strength * single * own.max_isometric_force,
        optimal_fiber_length=size * own.optimal_fiber_length,
        tendon_slack_length=size * own.tendon_slack_length,
    )


RANGES = BodyRanges.of([body(size, strength) for size in (0.9, 1.0, 1.1) for strength in (0.7, 1.3)], parameters())


def network(bodies: BodyRanges) -> DynamicSurrogate:
    torch.manual_seed(0)
    ranges = Scaler.of(features(limb()), named_features(limb()))
    return DynamicSurrogate(SHAPE, TendonNetwork(SHAPE, 1, 0.02).eval(), NAMES, JOINTS, ranges, bodies)


def test_size_and_strength_of_similar_bodies_are_their_factors() -> None:
    np.testing.assert_allclose(RANGES.measure(body(1.2, 0.8)), [1.2, 0.8, 1.0, 1.0, 1.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(RANGES.low[:2], [0.9, 0.7])
    np.testing.assert_allclose(RANGES.high[:2], [1.1, 1.3])
    found = RANGES.measure(body(1.0, 1.0, 2, 0.5))
    mean = 0.5 ** (1.0 / len(NAMES))
    np.testing.assert_allclose(found, [1.0, mean, 1.0, 1.0, 0.5 / mean, 1.0 / mean], rtol=1e-12)
    assert str(RANGES) == "sizes 0.9 to 1.1, strengths 0.7 to 1.3"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1.0, 1.0), []),
        ((0.9, 1.3), []),
        ((1.15, 1.0), ["size 1.15 (in training 0.9 to 1.1)"]),
        ((0.8, 1.0), ["size 0.8 (in training 0.9 to 1.1)"]),
        ((1.0, 0.6), ["strength 0.6 (in training 0.7 to 1.3)"]),
        ((1.3, 1.5), ["size 1.3 (in", "strength 1.5 (in"]),
        ((1.0, 1.0, 1, 3.0), ["least muscle strength 0.803 (in", "largest muscle strength 2.41 (in"]),
        ((np.nan, 1.0), ["size nan (in"]),
    ],
)
def test_bodies_beyond_training(given: tuple[float, ...], said: list[str]) -> None:
    found = RANGES.beyond(body(*given))  # type: ignore[arg-type]
    assert len(found) >= len(said)
    assert bool(found) == bool(said)
    for text in said:
        assert any(text in one for one in found)


def test_answers_for_other_bodies_are_flagged_in_every_frame() -> None:
    """A body of another size with the same loads: no moment and no fibre is outside, but the size."""
    problem = limb()
    known = network(RANGES)
    inside = known.solve(problem)
    assert not inside.outside[10:50].any()
    own = body(1.25, 1.25**-2)
    longer = {name: 1.25 * getattr(problem.geometry, name) for name in ("length", "lengthening_speed")}
    other = replace(problem, parameters=own, geometry=replace(problem.geometry, **longer))
    with pytest.warns(UserWarning, match=r"trained on other bodies; here: size 1.25 \(in training 0.9 to 1.1\)"):
        flagged = known.solve(other)
    assert flagged.outside.all()
    assert (flagged.checks["outside_training"] == 1.0).all()
    assert f"{len(problem)} of {len(problem)} frames lie beyond" in " ".join(flagged.findings())
    assert any("size 1.25" in text for text in flagged.provenance["warnings"])
    assert flagged.provenance["surrogate"]["frames_outside_training"] == len(problem)
    failed = ~flagged.solved
    assert np.isnan(flagged.activation[failed]).all()
    variants = known.solve_variants(problem, [parameters(), own])
    assert variants.outside[1].all()
    assert not variants.outside[0][10:50].any()


@pytest.mark.parametrize("beyond", [False, True])
def test_collocation_starts_anew_beyond_training(monkeypatch: pytest.MonkeyPatch, beyond: bool) -> None:
    """A surrogate's answer for a body that it does not know can lead to another local optimum."""
    guesses: list[object] = []

    def solve(*_: object, initial_guess: object, **__: object) -> str:
        guesses.append(initial_guess)
        return "solved"

    monkeypatch.setattr("osimopt.dynamic.solve.solve_dynamic", solve)
    heavy = limb()
    moments = heavy.generalized_force.copy()
    moments[40] *= 8.0  # one frame that no answer holds
    problem = replace(heavy, generalized_force=moments)
    ranges = BodyRanges.of([body(1.3, 1.0)], parameters()) if beyond else RANGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert solve_by_surrogate(problem, network(ranges)) == "solved"
    assert (guesses == ["static"]) == beyond
    assert len(guesses) == 1


def test_the_folder_has_the_bodies(tmp_path: Path) -> None:
    folder = network(RANGES).save(tmp_path / "network")
    again = osimopt.Surrogate.load(folder)
    assert again.bodies == RANGES
    assert repr(again) == (
        "<DynamicSurrogate: cnn network, 5 muscles, 2 coordinates, sizes 0.9 to 1.1, strengths 0.7 to 1.3>"
    )
    description = json.loads((folder / "surrogate.json").read_text())
    assert description["units"]["rest_length"] == "m"
    del description["bodies"]
    (folder / "surrogate.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"with the sizes of its training, got one of an earlier osimopt\. Train"):
        osimopt.Surrogate.load(folder)

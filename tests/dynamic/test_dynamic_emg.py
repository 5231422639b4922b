"""EMG in dynamic optimization: excitations follow envelopes, whose amplitude may be unknown, or stay close to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import NAMES, elbow, solved
from scipy.integrate import solve_ivp

from osimopt import Emg, EmgTracking, InputError
from osimopt.muscle.activation import activation_rate
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray


CHANNELS = {"biceps": "BIC", "brachialis": "BRA", "triceps": "TRI"}
LOOSE = {"periodic": True, "initial_activation": "free"}


@dataclass(frozen=True)
class Contraction:
    """Flexors against an extensor, more than the moment needs, all with their own rhythm, once a second."""

    problem: RedundancyProblem

    @staticmethod
    def excitation(time: Array) -> Array:
        turns = 2.0 * np.pi * (np.asarray(time)[..., None] + np.array([0.0, 0.3, 0.55]))
        return 0.35 + 0.2 * np.sin(turns) + np.array([0.0, 0.05, -0.05]) * np.cos(2.0 * turns)


@pytest.fixture(scope="module")
def contraction() -> Contraction:
    """The moment of activations integrated by SciPy."""
    problem = elbow(reserves=None)
    time = np.linspace(-0.02, 1.02, 209)

    def rates(at: float, activation: Array) -> Array:
        return activation_rate(Contraction.excitation(np.array(at)), activation, 0.015, 0.06, 0.1)  # type: ignore[arg-type]

    start = np.full(3, 0.35)  # forgotten in a second
    found = solve_ivp(rates, (-1.5, 1.02), start, t_eval=time, rtol=1e-9, atol=1e-11, max_step=0.01).y.T
    moment = (found * problem.max_force[0]) @ problem.moment_arm[0, 0]
    arms, strength = problem.moment_arm[0], problem.max_force[0]
    made = RedundancyProblem.from_arrays(arms, strength, moment, time=time, muscles=NAMES)
    return Contraction(made)


def tracked(contraction: Contraction, factors: float | list[float] = 1.0, **options: Any) -> Any:
    """The contraction solved with envelopes of it, multiplied by factors."""
    time = contraction.problem.time
    values = np.broadcast_to(factors, 3) * Contraction.excitation(time)
    envelope = pd.DataFrame(values, index=time, columns=list(CHANNELS.values()))
    options = {"weight": 1e5} | options
    tracking = EmgTracking(envelope, CHANNELS, **options)
    return solved(contraction.problem, emg=tracking, time_range=(0.0, 1.0), mesh_interval=0.02, **LOOSE)


def test_an_envelope_is_followed(contraction: Contraction) -> None:
    """The more the larger the weight."""
    offs = []
    for weight in (0.0, 1.0, 1e5):
        solution = tracked(contraction, weight=weight)
        offs.append(np.abs(solution.excitation - Contraction.excitation(solution.time)).max())
        assert solution.emg_scale == {"BIC": 1.0, "BRA": 1.0, "TRI": 1.0}
        assert set(solution.integrals) == {"muscles", "reserves"} | ({"emg_tracking"} if weight else set())
    assert offs[0] > 0.3
    assert offs[0] > offs[1] > offs[2]
    assert offs[2] < 1e-4


def test_scale_factors_are_found(contraction: Contraction) -> None:
    """Envelopes of half the amplitude, one of three quarters; reserves would let effort pull them down."""
    solution = tracked(contraction, [0.5, 0.75, 0.5], scale=(0.5, 4.0))
    assert solution.emg_scale == pytest.approx({"BIC": 2.0, "BRA": 4.0 / 3.0, "TRI": 2.0}, rel=1e-3)
    assert solution.provenance["emg_scale"] == solution.emg_scale
    assert solution.excitation == pytest.approx(Contraction.excitation(solution.time), abs=1e-3)


def test_scale_factors_stay_within_their_bounds(contraction: Contraction) -> None:
    solution = tracked(contraction, 0.5, scale=(0.5, 1.5))
    assert all(0.5 - 1e-7 <= scale <= 1.5 + 1e-7 for scale in solution.emg_scale.values())
    assert max(solution.emg_scale.values()) == pytest.approx(1.5, abs=1e-4)


def test_bounds_about_an_envelope_hold(contraction: Contraction) -> None:
    """Least effort goes where the bounds let it."""
    solution = tracked(contraction, weight=0.0, bounds=(0.05, 0.1))
    above = solution.excitation - Contraction.excitation(solution.time)
    assert above.min() == pytest.approx(-0.05, abs=1e-4)
    assert above.max() < 0.1 + 1e-4
    assert "emg_tracking" not in solution.integrals


def test_one_channel_serves_several_muscles_and_others_go_their_way() -> None:
    measured = pd.DataFrame({"ONE": np.full(2, 0.4), "unused": [np.nan, np.nan]}, index=[-1.0, 2.0])
    tracking = EmgTracking(measured, {"biceps": "ONE", "brachialis": "ONE"}, 1e4)
    solution = solved(elbow(reserves=100.0), emg=tracking, **LOOSE)
    assert solution.excitation[:, :2] == pytest.approx(0.4, abs=2e-3)
    assert np.ptp(solution.excitation[:, 2]) > 0.01
    assert list(solution.emg_scale) == ["ONE"]


def recorded(factor: float = 2e-4, amplitude: Any = "raw") -> Emg:
    time = np.arange(0.0, 1.001, 0.01)
    value = factor * np.column_stack([0.2 + 0.1 * np.sin(6.0 * time), 0.5 + 0.0 * time])
    return Emg(time, value, ("BIC", "TRI"), amplitude=amplitude, envelope=True)


def test_a_recording_is_tracked_as_shares_of_its_maximum_or_of_an_mvc() -> None:
    """Channels of several muscles; scales that amplitudes allow; both modes."""
    muscles = {"BIC": ["biceps", "brachialis"], "TRI": "triceps"}
    raw, mvc = EmgTracking.of(recorded(), muscles), EmgTracking.of(recorded(1.0, "mvc"), muscles, "bound", width=0.05)
    assert raw.envelope.max().tolist() == [1.0, 1.0]
    assert (raw.scale, raw.bounds, raw.weight) == ((0.1, 1.0), None, 1.0)
    assert dict(raw.muscles) == {"biceps": "BIC", "brachialis": "BIC", "triceps": "TRI"}
    assert mvc.envelope["TRI"].tolist() == [0.5] * 101
    assert (mvc.scale, mvc.bounds, mvc.weight) == ((0.5, 2.0), (0.05, 0.05), 0.0)
    wide = EmgTracking.of(recorded(), muscles, weight=3.0, scale=(0.2, 0.4))
    assert (wide.scale, wide.weight) == ((0.2, 0.4), 3.0)


def test_raw_emg_becomes_envelopes() -> None:
    time = np.arange(0.0, 2.0, 1e-3)
    noise = np.random.default_rng(0).normal(size=len(time)) * (1.0 + np.sin(6.0 * time))
    tracking = EmgTracking.of(Emg(time, noise[:, None], ("BIC",)), {"BIC": "biceps"})
    envelope = tracking.envelope["BIC"]
    assert envelope.max() == 1.0
    assert envelope.min() > -0.05
    assert np.corrcoef(envelope, 1.0 + np.sin(6.0 * envelope.index))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mode": "follow"}, ("mode among", "follow")),
        ({"mapping": {"BIZ": "biceps"}}, ("EMG channels", "BIZ", "BIC")),
        ({"mapping": {"BIC": "biceps", "TRI": "biceps"}}, ("one channel for each tracked muscle", "biceps")),
        ({"emg": recorded(0.0)}, ("some activity in each channel", "BIC")),
    ],
    ids=["mode", "channel", "twice", "silent"],
)
def test_wrong_recordings(given: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        EmgTracking.of(**({"emg": recorded(), "mapping": {"BIC": "biceps", "TRI": "triceps"}} | given))
    for word in words:
        assert word in str(caught.value)


def test_scales_at_their_limits_are_a_finding(contraction: Contraction) -> None:
    """Envelopes of half the amplitude want a factor of 2."""
    for scale, named in (((0.2, 1.5), True), ((0.2, 3.0), False)):
        solution = tracked(contraction, 0.5, scale=scale)
        texts = [text for text in solution.findings() if "Scale factors of EMG are at their limits" in text]
        assert bool(texts) is named
        assert not named or "BIC 1.5" in texts[0]


def test_a_tracking_is_shown_in_one_line() -> None:
    tracking = EmgTracking.of(recorded(), {"BIC": "biceps"}, "bound")
    shown = "1 channels, 1 muscles, weight 0, excitations within -0.1 and +0.1, scale 0.1 to 1"
    assert repr(tracking) == f"<EmgTracking: {shown}>"


def test_what_is_no_recording_is_refused() -> None:
    with pytest.raises(InputError, match=r"EMG as osimopt\.Emg, a DataFrame or a file, got None"):
        EmgTracking.of(None, {"BIC": "biceps"})  # type: ignore[arg-type]

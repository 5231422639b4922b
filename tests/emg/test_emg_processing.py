"""EMG: filters by known answers, chains that are written down, files of many kinds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError, MissingDependencyError
from osimopt.emg.processing import EmgOptions, filtered, maxima_of, process_emg
from osimopt.emg.read import read_emg
from osimopt.emg.recording import Emg

RATE = 1000.0


def tone(hz: float, seconds: float = 20.0, rate: float = RATE) -> np.ndarray:
    """(T, 1) a sine."""
    return np.sin(2.0 * np.pi * hz * np.arange(round(seconds * rate)) / rate)[:, None]


def gain(hz: float, *filter_: object) -> float:
    """Amplitude of a sine after a filter, away from the ends."""
    middle = slice(5000, -5000)
    return float(np.abs(filtered(tone(hz), RATE, *filter_)[middle]).max() / np.abs(tone(hz)[middle]).max())


def bursts(rate: float = RATE, seconds: float = 10.0, seed: int = 0) -> Emg:
    """Noise that comes and goes twice a second, over an offset; two channels."""
    time = np.arange(round(rate * seconds)) / rate
    activity = np.clip(np.sin(2.0 * np.pi * 2.0 * time), 0.0, None)
    noise = np.random.default_rng(seed).standard_normal((len(time), 2))
    return Emg(time, 0.3 + noise * activity[:, None] * [1.0, 0.2], ("a", "b"))


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("cutoff", [6.0, 50.0, 300.0])
def test_lowpass_is_3_db_down_at_its_cutoff(cutoff: float, order: int) -> None:
    assert gain(cutoff, cutoff, "lowpass", order) == pytest.approx(np.sqrt(0.5), abs=2e-3)
    assert gain(0.2 * cutoff, cutoff, "lowpass", order) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize(("hz", "expected"), [(20.0, np.sqrt(0.5)), (90.0, 1.0), (400.0, np.sqrt(0.5)), (2.0, 0.0)])
def test_bandpass(hz: float, expected: float) -> None:
    assert gain(hz, (20.0, 400.0), "bandpass", 4) == pytest.approx(expected, abs=4e-3)


@pytest.mark.parametrize(("kind", "cutoff"), [("lowpass", 6.0), ("bandpass", (20.0, 400.0))])
def test_filters_add_no_lag(kind: str, cutoff: object) -> None:
    """A pulse that is the same forward and backward stays so."""
    pulse = np.exp(-0.5 * ((np.arange(4001) - 2000) / 4.0) ** 2)[:, None]
    done = filtered(pulse, RATE, cutoff, kind, 4)  # type: ignore[arg-type]
    assert done[:, 0] == pytest.approx(done[::-1, 0], abs=1e-9)
    assert int(np.argmax(done[:, 0])) == 2000


def test_an_envelope_follows_the_activity() -> None:
    emg = bursts()
    done = process_emg(emg, EmgOptions(rate=100.0, normalise="maximum"))
    assert (done.rate, done.envelope, done.amplitude) == (pytest.approx(100.0), True, "own maximum")
    activity = np.clip(np.sin(2.0 * np.pi * 2.0 * done.time), 0.0, None)
    for channel in done.channels:
        assert np.corrcoef(done.of(channel), activity)[0, 1] > 0.95
        assert done.of(channel).max() == 1.0
    assert [step["step"] for step in done.chain] == [
        "remove mean", "band-pass", "rectify", "low-pass", "no less than 0", "resample", "normalise",
    ]  # fmt: skip
    assert done.chain[1]["band_hz"] == [20.0, 400.0]
    assert set(done.chain[-1]["by"]) == {"a", "b"}


def test_mvc_makes_amplitude_mean_something() -> None:
    whole = process_emg(bursts())
    done = process_emg(bursts(), EmgOptions(normalise="mvc", maxima=(("a", 2.0), ("b", 0.5))))
    assert done.amplitude == "mvc"
    assert done.value == pytest.approx(whole.value / [2.0, 0.5])


def test_maxima_of_a_trial() -> None:
    rng = np.random.default_rng(0)
    trial = Emg(np.arange(4000) / 1000.0, rng.standard_normal((4000, 2)) * [1.0, 5.0], ("a", "b"))
    maxima = dict(maxima_of(trial))
    envelope = process_emg(trial)
    assert maxima == {"a": envelope.of("a").max(), "b": envelope.of("b").max()}
    own = process_emg(trial, EmgOptions(normalise="mvc", maxima=maxima_of(trial)))
    assert own.value.max(axis=0) == pytest.approx(1.0)
    assert own.amplitude == "mvc"


def test_hum_goes() -> None:
    emg = bursts()
    loud = Emg(emg.time, emg.value + 2.0 * tone(50.0, 10.0) + 0.5 * tone(150.0, 10.0), emg.channels)
    clean, hummed, notched = (
        process_emg(one, options).of("b")
        for one, options in ((emg, EmgOptions()), (loud, EmgOptions()), (loud, EmgOptions(notch=50.0)))
    )
    middle = slice(1000, -1000)
    assert np.abs(hummed - clean)[middle].max() > 0.5
    assert np.abs(notched - clean)[middle].max() < 0.05


def test_a_band_beyond_the_rate_is_cut_and_said() -> None:
    with pytest.warns(UserWarning, match=r"20 to 400 Hz is too wide for a sampling rate of 500 Hz"):
        done = process_emg(bursts(500.0))
    assert done.chain[1]["band_hz"] == [20.0, pytest.approx(237.5)]
    with pytest.raises(InputError, match="envelope=True"):
        process_emg(bursts(40.0))


def test_gaps_are_bridged_and_stay_gaps() -> None:
    emg = bursts()
    value = emg.value.copy()
    value[4000:4100, 0] = np.nan
    done = process_emg(Emg(emg.time, value, emg.channels))
    assert np.isnan(done.of("a")[4000:4100]).all()
    assert np.isfinite(np.delete(done.of("a"), slice(4000, 4100))).all()
    assert done.of("b") == pytest.approx(process_emg(emg).of("b"))


def test_envelopes_are_not_filtered_again() -> None:
    time = np.arange(200) / 100.0
    emg = Emg(time, 0.5 + 0.5 * np.sin(time)[:, None], ("a",), envelope=True)
    assert process_emg(emg).value is emg.value
    assert process_emg(emg, EmgOptions(normalise="maximum")).value.max() == 1.0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"band": (400.0, 20.0)}, "lower < upper"), ({"lowpass": -1.0}, "lowpass above 0"), ({"order": 0}, "order"),
        ({"normalise": "peak"}, "'maximum'"), ({"normalise": "mvc"}, "maxima"), ({"maxima": (("a", 1.0),)}, "maxima"),
        ({"normalise": "mvc", "maxima": (("a", 0.0),)}, "above 0"),
    ],
)  # fmt: skip
def test_wrong_options(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        EmgOptions(**wrong)


def test_what_cannot_be_processed() -> None:
    emg = bursts(seconds=2.0)
    uneven = Emg(np.cumsum(np.r_[0.0, np.where(np.arange(1999) % 2, 0.001, 0.002)]), emg.value, emg.channels)
    with pytest.raises(InputError, match="evenly spaced"):
        process_emg(uneven)
    with pytest.raises(InputError, match="samples of EMG to filter"):
        process_emg(Emg(emg.time[:10], emg.value[:10], emg.channels))
    with pytest.raises(InputError, match="rate of at least 12 Hz"):
        process_emg(emg, EmgOptions(rate=5.0))
    with pytest.raises(InputError, match="maximum of each channel"):
        process_emg(emg, EmgOptions(normalise="mvc", maxima=(("a", 1.0),)))
    flat = Emg(emg.time, np.zeros((len(emg), 1)), ("dead",), envelope=True)
    with pytest.raises(InputError, match="maximum above 0"):
        process_emg(flat, EmgOptions(normalise="maximum"))


@pytest.mark.parametrize(
    ("value", "time", "channels", "says"),
    [
        (np.zeros((3, 2)), [0.0, 1.0, 2.0], ("a",), "values"), (np.zeros((3, 1)), [0.0, 1.0, 1.0], ("a",), "increase"),
        (np.zeros((3, 2)), [0.0, 1.0, 2.0], ("a", "a"), "different names"),
    ],
)  # fmt: skip
def test_no_recording(value: np.ndarray, time: list, channels: tuple, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Emg(np.array(time), value, channels)


def test_channels_and_times_are_chosen() -> None:
    emg = bursts()
    assert emg.select(["b"]).of("b") == pytest.approx(emg.of("b"))
    assert emg.between(1.0, 2.0).time[[0, -1]] == pytest.approx([1.0, 2.0])
    with pytest.raises(InputError, match="channels among"):
        emg.select(["c"])
    with pytest.raises(InputError, match="clocks"):
        emg.between(20.0, 30.0)
    assert emg.to_dataframe().index.name == "time"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("time,a,b\n0,0.1,-0.2\n0.5,0.2,0.3\n1,,0.4\n", 2.0), ("time;a;b\n0;0,1;-0,2\n0,5;0,2;0,3\n1;;0,4\n", 2.0),
        ("time\ta\tb\nms\tmV\tmV\n0\t0.1\t-0.2\n500\t0.2\t0.3\n1000\t\t0.4\n", 2.0),
        ("a,b\n0.1,-0.2\n0.2,0.3\n,0.4\n", 4.0),
    ],
)  # fmt: skip
def test_text_of_any_kind(tmp_path: Path, text: str, rate: float) -> None:
    path = tmp_path / "emg.csv"
    path.write_text(text)
    emg = read_emg(path, rate=None if "time" in text else rate, envelope=False)
    assert emg.channels == ("a", "b")
    assert emg.rate == pytest.approx(rate)
    assert emg.value == pytest.approx(np.array([[0.1, -0.2], [0.2, 0.3], [np.nan, 0.4]]), nan_ok=True)
    assert len(emg.source["sha256"]) == 64


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,4\n", "first column of times"), ("time,a\n0,1\n1,x\n", "row 3"),
        ("time,a\n0,1\n1,2,3\n", "columns"), ("time,a\n", "two of numbers"), ("time,a\n1,1\n0,2\n", "increase"),
    ],
)  # fmt: skip
def test_text_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "emg.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_emg(tmp_path / "emg.csv")


def test_no_file_and_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_emg(tmp_path / "none.sto")
    (tmp_path / "walk.c3d").write_bytes(b"not really")
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(MissingDependencyError, match=r"osimopt\[emg\]"):
        read_emg(tmp_path / "walk.c3d")


def test_the_public_recordings(real_data: Path) -> None:
    for name, channels, envelope in (
        ("gait_9emg/emgFilt.sto", 9, True), ("walk_treadmill_emg/EMG_allMuscles.sto", 7, True),
        ("walk_80muscles/electromyography.sto", 10, True), ("walk_18muscles/emg.sto", 8, True),
    ):  # fmt: skip
        emg = read_emg(real_data / name)
        assert len(emg.channels) == channels
        assert all(channel == channel.strip() for channel in emg.channels)
        assert emg.envelope == envelope


ROWS = "\n".join(f"{number / 1000:.4f},{np.sin(number):.6f},{np.cos(number):.6f}" for number in range(200))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "emg.csv").write_bytes(f"time,RF,TA\ns,µV,µV\n{ROWS}\n".encode(encoding))
    emg = read_emg(tmp_path / "emg.csv")
    assert emg.channels == ("RF", "TA")
    assert emg.rate == pytest.approx(1000.0)
    assert emg.source["unit"] == "µV"


@pytest.mark.parametrize("head", ["Time (ms)", "time_ms", "Time [ms]", "t(ms)", "time ms"])
def test_times_in_ms(tmp_path: Path, head: str) -> None:
    rows = "\n".join(f"{number},{np.sin(number):.4f}" for number in range(100))
    (tmp_path / "emg.csv").write_text(f"{head},RF\n{rows}\n")
    assert read_emg(tmp_path / "emg.csv").rate == pytest.approx(1000.0)


def test_times_that_no_emg_has(tmp_path: Path) -> None:
    """Milliseconds without a unit: 1 Hz."""
    rows = "\n".join(f"{number},{np.sin(number):.4f}" for number in range(100))
    (tmp_path / "emg.csv").write_text(f"time,RF\n{rows}\n")
    with pytest.raises(InputError, match=r"got times from 0 to 99, 100 samples, that is 1 Hz\. Correct the times"):
        read_emg(tmp_path / "emg.csv")


@pytest.mark.parametrize(("head", "tail"), [(",", ","), ("", ","), (",", "")])
def test_a_trailing_comma_is_no_column(tmp_path: Path, head: str, tail: str) -> None:
    rows = "\n".join(f"{line}{tail}" for line in ROWS.splitlines())
    (tmp_path / "emg.csv").write_text(f"time,RF ,TA{head}\n{rows}\n")
    emg = read_emg(tmp_path / "emg.csv")
    assert emg.channels == ("RF", "TA")
    assert np.isfinite(emg.value).all()


def test_channels_in_several_units(tmp_path: Path) -> None:
    (tmp_path / "emg.csv").write_text(f"time,RF,TA\ns,mV,V\n{ROWS}\n")
    with pytest.warns(UserWarning, match="several units, mV, V"):
        emg = read_emg(tmp_path / "emg.csv")
    assert emg.value[10, 0] == pytest.approx(1e-3 * np.sin(10), abs=1e-8)

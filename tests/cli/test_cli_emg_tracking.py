"""``osimopt solve --method dynamic --emg``: what excitations follow, and what the command refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Done

import osimopt
from osimopt.cli import make_app
from osimopt.cli.solve import solve_options
from osimopt.dynamic.emg import EmgTracking
from osimopt.files.storage import read_table, write_table

MAPPING = '[channels]\nbiceps = ["BIClong", "BICshort"]\nbrachialis = "BRA"\ntriceps = "TRIlong"\n'
TIME = np.arange(0.0, 1.2, 0.01)
#: Envelopes by channel.
SHAPES = {"biceps": 0.1 + 0.3 * TIME, "brachialis": 0.2 + 0.1 * np.sin(6.0 * TIME), "triceps": 0.1 + 0.05 * TIME}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a mapping and EMG."""
    monkeypatch.chdir(tmp_path)
    Path("map.toml").write_text(MAPPING)
    recording("emg.sto")


def recording(name: str, stop: int | None = None, **channels: np.ndarray) -> None:
    """Write envelopes, some of them replaced."""
    shapes = {channel: np.asarray(own)[:stop] for channel, own in {**SHAPES, **channels}.items()}
    table = pd.DataFrame(shapes, index=pd.Index(TIME[:stop], name="time"))
    if name.endswith(".csv"):
        table.to_csv(name)
    else:
        write_table(table, Path(name))


def raw(name: str) -> None:
    """Write 1 kHz noise that grows as time, as raw EMG."""
    time = np.arange(0.0, 1.2, 0.001)
    noise = np.random.default_rng(0).normal(size=(len(time), 3)) * (0.1 + time)[:, None]
    pd.DataFrame(noise, index=pd.Index(time, name="time"), columns=list(SHAPES)).to_csv(name)


def followed(**given: object) -> EmgTracking:
    """What the flags make, by the names that the command receives."""
    given = {"emg": Path("emg.sto"), "mapping": "map.toml", **given}
    options = solve_options("dynamic", given)
    assert isinstance(options, osimopt.dynamic.options.DynamicOptions)
    assert isinstance(options.emg, EmgTracking)
    return options.emg


def test_flags_are_the_same_as_the_python_call() -> None:
    """Envelopes, muscles, weight and limits, by default and as given."""
    given, python = followed(), osimopt.EmgTracking.of("emg.sto", "map.toml")
    assert given.record() == python.record()
    assert given.record()["weight"] == 1.0
    pd.testing.assert_frame_equal(given.envelope, python.envelope)
    assert followed(emg_weight=5.0, emg_scale=(0.2, 0.6)).record() == {
        **python.record(),
        "weight": 5.0,
        "scale": [0.2, 0.6],
    }


def test_zero_is_a_number() -> None:
    """A weight or width of 0 is not the default."""
    modes = {word.value: word for word in type_of_mode()}
    assert followed(emg_weight=0.0).weight == 0.0
    assert followed(emg_mode=modes["bound"], emg_width=0.0).bounds == (0.0, 0.0)
    assert followed(emg_mode=modes["bound"]).bounds == (0.1, 0.1)


def type_of_mode() -> type:
    from osimopt.cli.emg import Mode

    return Mode


def test_maxima_and_raw_recordings() -> None:
    """Shares of an MVC have other limits of the scale; filters apply to raw EMG."""
    shares = followed(mvc="biceps=0.5,brachialis=0.4,triceps=0.2")
    assert shares.scale == (0.5, 2.0)
    assert shares.envelope["triceps"].to_numpy() == pytest.approx(SHAPES["triceps"] / 0.2)
    assert followed(mvc="yes").envelope["triceps"].to_numpy() == pytest.approx(SHAPES["triceps"])
    raw("raw.csv")
    smooth = [followed(emg=Path("raw.csv"), lowpass=cut).envelope["biceps"].to_numpy() for cut in (3.0, 20.0)]
    rough = [float(np.abs(np.diff(own, 2)).mean()) for own in smooth]
    assert rough[1] > 5.0 * rough[0]


@pytest.fixture
def refused(arm, call):
    """The error of ``osimopt solve`` with these flags, in one line."""

    def _refused(*flags: object, method: str = "dynamic") -> str:
        given = ("--method", method, "--time-range", 0.2, 0.4, *flags, "-o", "out")
        done: Done = call("solve", arm.model, arm.motion, *given)
        assert done.code == 2, done.out
        assert not Path("out").exists()
        return " ".join(done.err.replace("│", " ").split())

    return _refused


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("-m", "map.toml"), ("expected --emg FILE with --mapping", "Give the file of the EMG")),
        (("--emg-weight", 3), ("expected --emg FILE with --emg-weight",)),
        (("--emg-scale", 1, 2), ("expected --emg FILE with --emg-scale",)),
        (("--mvc", "yes"), ("expected --emg FILE with --mvc",)),
        (("--envelope-hz", 5), ("expected --emg FILE with --envelope-hz",)),
        (("--emg", "emg.sto"), ("expected --mapping", "gait2392")),
    ],
    ids=lambda own: str(own[0]),
)
def test_flags_that_need_each_other(refused, flags: tuple[object, ...], words: tuple[str, ...]) -> None:
    error = refused(*flags)
    assert all(word in error for word in words), error


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--emg-mode", "follow"), ("--emg-mode", "'track', 'bound'")),
        (("--emg-width", 0.1), ("no --emg-width with --emg-mode track", "got 0.1")),
        (("--emg-width", 0), ("no --emg-width with --emg-mode track", "got 0")),
        (("--emg-mode", "bound", "--emg-weight", 1), ("no --emg-weight with --emg-mode bound",)),
        (("--emg-weight", -1), ("weight of EMG tracking ≥ 0", "-1")),
        (("--emg-scale", 2, 1), ("0 < lower ≤ upper scale", "2.0, 1.0")),
        (("--mvc", "biceps=0.5"), ("a maximum of each channel", "brachialis, triceps")),
        (("--mvc", "none.csv"), ("none.csv", "no such file")),
        (("--band", 20, 300), ("raw EMG with --band", "got envelopes", "Leave --band out")),
        (("--strides", "x.mot"), ("No such option: --strides",)),
    ],
    ids=lambda own: " ".join(map(str, own[:2])),
)
def test_wrong_flags(refused, flags: tuple[object, ...], words: tuple[str, ...]) -> None:
    error = refused("--emg", "emg.sto", "-m", "map.toml", *flags)
    assert all(word in error for word in words), error


@pytest.mark.parametrize("method", ["static", "surrogate"])
@pytest.mark.parametrize(
    "flags", [("--emg", "emg.sto"), ("--emg-mode", "track"), ("-m", "map.toml")], ids=lambda own: own[0]
)
def test_other_methods_refuse_emg(refused, method: str, flags: tuple[object, ...]) -> None:
    error = refused(*flags, method=method)
    assert f"with --method {method}" in error
    assert "solve with --method dynamic" in error


def test_wrong_mappings(refused) -> None:
    cases = {
        'bicepz = "BRA"': ("EMG channels among", "bicepz", "Did you mean biceps"),
        'biceps = "BIClong2"': ("EMG of muscles among", "BIClong2", "Did you mean BIClong"),
        'biceps = "BRA"\ntriceps = "BRA"': ("one channel for each tracked muscle", "BRA"),
    }
    for text, words in cases.items():
        Path("other.toml").write_text(f"[channels]\n{text}\n")
        error = refused("--emg", "emg.sto", "-m", "other.toml")
        assert all(word in error for word in words), error
    assert "Did you mean gait2392" in refused("--emg", "emg.sto", "-m", "gait2393")


def test_wrong_recordings(refused) -> None:
    """No file, shorter than the motion, a gap, negative values, a channel that measured nothing."""
    gap, below = SHAPES["biceps"].copy(), SHAPES["biceps"].copy()
    gap[30], below[30] = np.nan, -0.2
    recording("short.sto", stop=30)
    recording("gap.csv", biceps=gap)
    recording("below.csv", biceps=below)
    recording("silent.sto", triceps=0.0 * TIME)
    cases = {
        "none.sto": ("none.sto", "no such file"),
        "short.sto": ("EMG from 0.2 to 0.4 s", "0 to 0.29 s"),
        "gap.csv": ("finite EMG in the interval", "biceps at 0.3 s"),
        "below.csv": ("EMG envelopes ≥ 0", "biceps at 0.3 s"),
        "silent.sto": ("some activity in each channel", "triceps", "out of the mapping"),
    }
    for file, words in cases.items():
        error = refused("--emg", file, "-m", "map.toml")
        assert all(word in error for word in words), error
    assert "some activity in each channel" in refused("--emg", "silent.sto", "-m", "map.toml", "--mvc", "yes")


def test_help_fits_the_command() -> None:
    """Strides and RMSE belong to comparisons; solve must not refer to flags that it lacks."""
    from typer.main import get_command

    own = {parameter.name: parameter for parameter in get_command(make_app()).commands["solve"].params}  # type: ignore[attr-defined]
    assert "strides" not in own
    assert not any("--strides" in (getattr(parameter, "help", "") or "") for parameter in own.values())


@pytest.mark.slow
def test_tracked_and_bounded_excitations(arm, call) -> None:
    """The result folder has scale factors, and excitations nearer to EMG than effort alone."""
    common = (arm.model, arm.motion, "--method", "dynamic", "--tendon", "rigid", "--time-range", 0.2, 0.5)
    ways = {"effort": (), "track": ("--emg-weight", 100), "bound": ("--emg-mode", "bound", "--emg-width", 0.05)}
    off = {}
    measured = np.interp(np.linspace(0.2, 0.5, 31), TIME, SHAPES["brachialis"] / SHAPES["brachialis"].max())
    for way, flags in ways.items():
        emg = ("--emg", "emg.sto", "-m", "map.toml", "--emg-scale", 0.3, 0.3) if flags else ()
        done = call("solve", *common, *emg, *flags, "-o", way)
        assert done.code == 0, done.err
        excitation = read_table(Path(way, "excitation.sto"))["BRA"]
        at = np.interp(np.linspace(0.2, 0.5, 31), excitation.index, excitation)
        off[way] = float(np.abs(at - 0.3 * measured).max())
        assert ("Scale factors of EMG: biceps 0.3" in done.out) == bool(emg)
    assert off["track"] < 0.5 * off["effort"]
    assert off["bound"] <= 0.05 + 1e-3 < off["effort"]

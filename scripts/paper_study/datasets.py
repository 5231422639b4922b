"""The study's data sets by name, made once and kept."""

from __future__ import annotations

from pathlib import Path

from osimopt.errors import InputError, explain

from .measured import GAIT, emg, gait, running
from .simulation import UNSEEN, simulated
from .windows import Sets, Windows

MEASURED = {"gait": gait, "emg": emg, "running": running}
#: Trials of 4 s to learn from, to choose by, to judge by, and of each thing unseen.
SIMULATED = {"simulation": (16, 4, 8, 4), "simulation, 25 times": (400, 10, 8, 4), "simulation, tiny": (3, 1, 1, 1)}
_PARTS = ("training", "validation", "test")


def available(data: Path | None) -> list[str]:
    """Names of the paper's sets that can be made: measured ones need the public data."""
    there = data is not None and (data / GAIT).is_dir()
    return [*(MEASURED if there else ()), "simulation"]


def make_sets(name: str, folder: Path, data: Path | None = None) -> Sets:
    """Make a set, or read what an earlier call kept in ``folder``.

    Trials of the simulation sets to judge by are the same in all of them.

    Raises
    ------
    InputError
        An unknown name, or a measured set without the public data.
    """
    if name not in MEASURED and name not in SIMULATED:
        known = ", ".join([*MEASURED, *SIMULATED])
        raise InputError(explain(f"a data set among {known}", repr(name), "Choose one of them."))
    own = folder / name.replace(", ", "_").replace(" ", "_")
    if (own / "complete").is_file():
        return _read(own)
    if name in SIMULATED:
        made = _simulate(name, folder)
    elif data is None:
        raise InputError(explain("the public data", "none", "Say where they are with --data."))
    else:
        made = MEASURED[name](data)
    own.mkdir(parents=True, exist_ok=True)
    for part in _PARTS:
        getattr(made, part).write(own / f"{part}.npz")
    for unseen, windows in made.unseen.items():
        windows.write(own / f"unseen {unseen}.npz")
    (own / "complete").touch()
    return _read(own)  # as every later call finds it


def problems(folder: Path) -> Path:
    """Where the redundancy problems of simulated trials are."""
    return folder / "problems"


def _simulate(name: str, folder: Path) -> Sets:
    training, validation, test, unseen = SIMULATED[name]
    own = problems(folder)
    return Sets(
        simulated(own, training, 0),
        simulated(own, validation, 1),
        simulated(own, test, 2),
        {what: simulated(own, unseen, 3, what) for what in UNSEEN},
    )


def _read(own: Path) -> Sets:
    prefix = "unseen "
    unseen = {path.stem.removeprefix(prefix): Windows.read(path) for path in sorted(own.glob(f"{prefix}*.npz"))}
    training, validation, test = (Windows.read(own / f"{part}.npz") for part in _PARTS)
    return Sets(training, validation, test, unseen)

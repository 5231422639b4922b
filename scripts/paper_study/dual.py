"""What osimopt does instead: a network for the dual of the problem, told of muscles as they are (the static surrogate).

It learns from the same trials. Its activations are within bounds whatever it says, and strengths and moment arms of
another subject or model are among what it is told.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from osimopt.files.storage import write_atomically
from osimopt.surrogate.training import TrainingOptions

from . import finish
from .finish import Asked
from .measures import errors
from .preprocessing import Pipeline
from .simulation import problem_of

if TYPE_CHECKING:
    from .windows import Sets, Windows

Array = NDArray[np.float64]


def dual(path: Path, sets: Sets, problems: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Train and judge it, or read what an earlier call kept at ``path``.

    Returns
    -------
    dict
        ``test``, ``unseen`` and ``finished`` as of :func:`paper_study.experiment.run`, ``weights``,
        ``seconds``.
    """
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    from osimopt.surrogate.static_training import train_static

    from .last_frame import count_weights

    def trials(windows: Windows) -> list[Any]:
        return [problem_of(problems, trial) for trial in dict.fromkeys(windows.trial.tolist())]

    options = TrainingOptions(epochs=epochs, batch_size=64, seed=seed, patience=epochs)
    surrogate, history = train_static(trials(sets.training), trials(sets.validation), options=options)
    scaling = Pipeline.of(sets.training).scaling

    def said(windows: Windows) -> Array:
        return surrogate.predict(Asked.of(windows, problems).problem).activation

    judged = {"test": sets.test, **sets.unseen}
    of = {what: (said(windows), windows) for what, windows in judged.items()}
    wrong = {what: errors(scaling.target(own), scaling.targets(windows)) for what, (own, windows) in of.items()}
    told = {
        "test": wrong.pop("test"), "unseen": wrong, "weights": count_weights(surrogate.network),
        "finished": {what: finish.judge(own, windows, problems) for what, (own, windows) in of.items()},
        "seconds": history.seconds, "seed": seed,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(told) + "\n")
    return told

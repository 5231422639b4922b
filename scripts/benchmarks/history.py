"""Whether history helps a static surrogate: networks that see one frame, and those that see more, at one budget.

usage: python scripts/benchmarks/history.py MODEL MOTION START END -g MOMENTS.sto [--window 11] [--frames 4000]
           [--epochs 15]

The static optimum is a function of the frame alone, so that history can change nothing but the effort of learning:
what is compared is the raw network on frames held out, before any Newton step.
"""

import json
from typing import Any

from common import parser, read

from osimopt.surrogate.architecture import Architecture
from osimopt.surrogate.training import TrainingOptions
from osimopt.training.static_surrogate import train_static_surrogate


def main() -> None:
    """Run the ablation and print JSON."""
    made = parser(__doc__)
    made.add_argument("--generalized-force", "-g")
    made.add_argument("--loads")
    made.add_argument("--window", type=int, default=11)
    made.add_argument("--frames", type=int, default=4000)
    made.add_argument("--epochs", type=int, default=15)
    arguments = made.parse_args()
    problem = read(
        arguments.model, arguments.motion, arguments.start, arguments.end,
        generalized_force=arguments.generalized_force, external_loads=arguments.loads,
    )  # fmt: skip
    networks = [
        ("set", Architecture("set", 32, 4), 1),
        ("mlp", Architecture("mlp", 128, 3), 1),
        ("cnn", Architecture("cnn", 96, 3, 1), 1),
        ("cnn", Architecture("cnn", 96, 3, 5), arguments.window),
        ("lstm", Architecture("lstm", 128, 1), 1),
        ("lstm", Architecture("lstm", 128, 1), arguments.window),
        ("cnn+lstm+attention", Architecture("cnn+lstm+attention", 96, 2, 5), arguments.window),
    ]
    rows = []
    for name, architecture, window in networks:
        options = TrainingOptions(epochs=arguments.epochs, batch_size=256 // window if window > 1 else 256)
        trained = train_static_surrogate(
            [problem], architecture=architecture, options=options, frames=arguments.frames, window=window
        )
        rows.append(_row(name, window, trained))
        print(json.dumps(rows[-1]), flush=True)


def _row(name: str, window: int, trained: Any) -> dict[str, Any]:
    summary = trained.accuracy
    return {
        "network": name,
        "frames_seen": window,
        "weights": sum(weight.numel() for weight in trained.surrogate.network.parameters()),
        "rmse": summary["raw"]["rmse"],
        "r": summary["raw"]["r"],
        "without_a_network": summary["unconstrained"]["rmse"],
        "seconds": trained.history.seconds,
    }


if __name__ == "__main__":
    main()

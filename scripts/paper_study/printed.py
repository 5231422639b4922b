"""The paper's own figures (Bian 2025, doi:10.62617/mcb1271) in its units: MSE in 1e-3, MAE in 1e-2, ms, epochs."""

from __future__ import annotations

#: Table 2: MSE, MAE, PSNR in dB, ms.
ACCURACY = {
    "gait": (0.85, 0.65, 32.5, 5.2),
    "emg": (1.02, 0.78, 30.2, 6.8),
    "running": (0.78, 0.62, 34.1, 4.7),
    "simulation": (0.68, 0.58, 35.4, 4.3),
}
#: Tables 3 and 4: MSE, MAE, ms, epochs. Of Adagrad on the simulation set there is no row.
OPTIMIZERS = {
    ("gait", "sgd"): (1.05, 0.72, 10.2, 150),
    ("gait", "momentum"): (0.98, 0.68, 8.5, 140),
    ("gait", "adam"): (0.85, 0.65, 5.2, 120),
    ("gait", "adagrad"): (1.1, 0.75, 12.0, 160),
    ("running", "sgd"): (1.1, 0.78, 15.0, 180),
    ("running", "momentum"): (1.0, 0.74, 12.5, 170),
    ("running", "adam"): (0.9, 0.66, 9.0, 140),
    ("running", "adagrad"): (1.15, 0.8, 18.0, 190),
    ("simulation", "sgd"): (0.75, 0.6, 11.5, 150),
    ("simulation", "momentum"): (0.68, 0.58, 9.2, 140),
    ("simulation", "adam"): (0.62, 0.55, 6.8, 130),
}
#: Table 5: MSE.
NOISE = {
    ("running", "none"): 0.78,
    ("running", "gaussian"): 1.03,
    ("running", "salt-and-pepper"): 1.15,
    ("simulation", "none"): 0.68,
    ("simulation", "gaussian"): 0.88,
    ("simulation", "salt-and-pepper"): 1.02,
}
#: Table 6: MSE of the sets, and of a "new sports dataset".
UNSEEN = 1.1

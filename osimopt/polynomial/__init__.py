"""Muscle paths as polynomials of the coordinates: one potential l(q) a muscle, whose slope is its moment arm."""

from .geometry import MusclePolynomial as MusclePolynomial
from .geometry import PolynomialGeometry as PolynomialGeometry
from .muscle_paths import Fit as Fit
from .muscle_paths import MusclePaths as MusclePaths

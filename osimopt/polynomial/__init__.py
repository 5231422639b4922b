"""Muscle paths as polynomials of the coordinates: one potential l(q) a muscle, whose slope is its moment arm."""

from .geometry import Fit as Fit
from .geometry import MusclePaths as MusclePaths
from .geometry import MusclePolynomial as MusclePolynomial
from .geometry import PolynomialGeometry as PolynomialGeometry

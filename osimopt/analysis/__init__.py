"""Dependence of a solution on parameters, moments, costs and methods."""

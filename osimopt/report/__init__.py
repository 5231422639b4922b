"""Figures and reports that people want to look at."""

"""Figures and reports of tables, solutions, comparisons and studies."""

"""Measured muscle activity: reading, processing, mapping to muscles, and agreement with a solution."""

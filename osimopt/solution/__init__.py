"""A solution, its summary and checks, and its folder."""

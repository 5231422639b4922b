"""From files to a result: read, solve, write."""

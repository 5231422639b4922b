"""What a solution depends on: parameters, moments, costs, methods."""

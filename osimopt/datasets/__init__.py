"""The arm that comes with osimopt, and public data."""

"""What runs in opensim's own process. Never import these modules elsewhere: they import opensim."""

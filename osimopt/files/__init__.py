"""Reading and writing files, knowing nothing of muscles."""

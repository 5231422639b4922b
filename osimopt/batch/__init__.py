"""Many trials, one after the other or side by side: study files, jobs, workers, the manifest."""

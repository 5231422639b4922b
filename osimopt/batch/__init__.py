"""Many trials, one after the other or in parallel: study files, jobs, workers, the manifest."""

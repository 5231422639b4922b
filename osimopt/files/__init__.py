"""Reading and writing of files, without any knowledge of models."""

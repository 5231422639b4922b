"""Static optimization: every frame on its own."""

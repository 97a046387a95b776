"""Pages of imaging."""

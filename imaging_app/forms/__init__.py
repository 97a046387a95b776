"""Forms of imaging."""

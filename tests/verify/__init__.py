"""How right the products are, in figures: `python -m tests.verify`, or `make verify`."""

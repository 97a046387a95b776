"""Registration by elastix: what goes in, how it is run, what comes out, and how good it is."""

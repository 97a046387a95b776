"""One module per step; each has `run(spec, work) -> outputs`."""

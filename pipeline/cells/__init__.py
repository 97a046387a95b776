"""Finding cells in planes, and what is made of them: a table and a layer for the viewer."""

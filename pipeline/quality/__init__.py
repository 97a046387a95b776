"""Is a sample good enough? Figures from a few of its planes, and a word for each."""

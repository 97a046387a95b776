"""Many jobs on a real Slurm over SSH while things break: nothing lost, nothing doubled."""

"""The launcher: the only holder of the Docker socket. See README.md."""

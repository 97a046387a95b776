"""Serves a folder as the original's containers did: `cloud_volume_server.py FOLDER PORT`.

Runs in the environment of the references (var/bench-venv).
"""

import sys

from cloudvolume.server import view

if __name__ == "__main__":
    view(f"file://{sys.argv[1]}", hostname="127.0.0.1", port=int(sys.argv[2]))

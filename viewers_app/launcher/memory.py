"""A launcher in a dictionary, with failures on order. For tests."""

from pathlib import Path

from launcher.backend_memory import MemoryBackend
from launcher.sessions import Limits
from viewers_app.launcher.here import HereLauncher


class MemoryLauncher(HereLauncher):
    """Nothing runs. `backend` is told what fails and what is lost."""

    def __init__(self, *, data_root: Path, limits: Limits | None = None) -> None:
        self.backend = MemoryBackend()
        super().__init__(self.backend, data_root=data_root, limits=limits)

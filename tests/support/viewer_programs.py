"""The programs of docker/viewer and docker/volume as modules; in their images they stand alone."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parents[2] / "docker"


def program(name: str) -> ModuleType:
    """Return a module such as `viewer/ontology`, with what its image puts beside it."""
    own = f"docker_{name.replace('/', '_')}"
    if own not in sys.modules:
        spec = importlib.util.spec_from_file_location(own, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        beside = [str(HERE), str((HERE / name).parent)]
        sys.path[:0] = beside
        sys.modules[own] = module
        try:
            spec.loader.exec_module(module)
        finally:
            for folder in beside:
                sys.path.remove(folder)
    return sys.modules[own]

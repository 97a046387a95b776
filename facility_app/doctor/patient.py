"""One cluster as the checks meet it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pipeline.contract import PIPELINE_VERSION
from processing_app.cluster.config import LOCAL, ClusterConfig
from processing_app.cluster.ports import Cluster, CommandResult
from processing_app.models import Cluster as Row
from processing_app.models import Deployment

COMMAND_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Patient:
    """The row, what is needed to connect, and the open cluster. `wait_s`: for the end of a job."""

    row: Row
    config: ClusterConfig
    cluster: Cluster
    wait_s: float

    @property
    def is_local(self) -> bool:
        return self.config.kind == LOCAL

    def run(self, *argv: str, timeout: float = COMMAND_S) -> CommandResult:
        """Run a command there, in a folder that every machine has."""
        return self.cluster.shell.run(argv, cwd="/", timeout=timeout)

    def remove(self, path: str) -> CommandResult:
        """Remove a folder that the doctor made."""
        return self.run("rm", "-r", "-f", "--", path)

    @contextmanager
    def folder(self, prefix: str) -> Iterator[str]:
        """Make a folder in the work folder for the length of a block."""
        path = f"{self.cluster.workdir.rstrip('/')}/{prefix}{secrets.token_hex(6)}"
        self.cluster.shell.make_folder(path)
        try:
            yield path
        finally:
            self.remove(path)

    def deployment(self) -> Deployment | None:
        """Return the deployment of this site's version; None if the site's own is seen there."""
        if self.cluster.python_path:
            return None
        rows = Deployment.objects.filter(
            cluster=self.row, version=PIPELINE_VERSION, removed_at=None
        )
        return rows.order_by("-deployed_at").first()

    def interpreter(self) -> tuple[str, str]:
        """Return the Python that runs the pipeline there, and where the package is."""
        deployment = self.deployment()
        if deployment is not None:
            return deployment.python, deployment.folder
        return self.cluster.python, self.cluster.python_path

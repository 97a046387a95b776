"""Which version of the pipeline is on which cluster."""

import json

from django.utils import timezone

from processing_app.cluster import installing
from processing_app.cluster.package import place_of
from processing_app.cluster.ports import Cluster
from processing_app.models import Deployment, Run

# Written last by deploy_pipeline, into the folder of the version.
MARK = installing.MARK
SHORT_S = installing.SHORT_S


def there(run: Run, cluster: Cluster) -> Deployment | None:
    """Return the deployment that a run needs, if it is on the cluster now.

    One that somebody removed there is noted as removed. Raises Unreachable where the place of all
    deployments is not there, since a file system that is not mounted says nothing of them.
    """
    rows = Deployment.objects.filter(
        cluster=run.cluster_id, version=run.pipeline_version, removed_at=None
    )
    for row in rows.order_by("-deployed_at"):
        if is_mark_of(row, cluster.shell.read(f"{row.folder}/{MARK}")):
            return row
        cluster.shell.run(["true"], cwd=place_of(cluster.workdir), timeout=SHORT_S)
        Deployment.objects.filter(pk=row.pk).update(removed_at=timezone.now())
    return None


def missing(run: Run) -> str:
    """Return what to tell where the version that a run needs is not on its cluster."""
    return (
        f"Pipeline {run.pipeline_version} is not on the cluster {run.cluster}. "
        f"Run `manage.py deploy_pipeline --cluster {run.cluster}`, then retry the run."
    )


def is_mark_of(row: Deployment, content: bytes | None) -> bool:
    """Return True if the mark that was found belongs to this deployment."""
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("digest") == row.digest

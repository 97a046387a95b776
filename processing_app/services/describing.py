"""What is known of how a cluster is reached, in words; keys are paths of files and no secrets."""

from processing_app.cluster.config import Host
from processing_app.models import Cluster
from processing_app.services import clusters


def described(row: Cluster) -> list[tuple[str, str]]:
    """Return name and value of everything that is said, whether by the settings or by the row."""
    config = clusters.config_of(row)
    values = [
        ("Kind", config.kind),
        ("Host", _address(config.host)),
        ("Key file", config.host.key_file if config.host else ""),
        ("Jump host", _address(config.jump)),
        ("Known hosts", config.known_hosts_file if config.host else ""),
        ("Work folder", config.workdir),
        ("Storage there", config.data_root),
        ("Python there", config.python),
        (
            "Environment of its commands",
            " ".join(f"{k}={v}" for k, v in config.environment.items()),
        ),
        ("Lines before each step", config.prelude),
        ("Cores of a job", str(config.threads)),
        ("Jobs at once", str(config.slots)),
        ("Seconds between looks", f"{config.poll_interval_s:g}"),
        ("Seconds of silence until lost", f"{config.heartbeat_limit_s:g}"),
    ]
    return [(name, value) for name, value in values if value]


def _address(host: Host | None) -> str:
    return f"{host.user}@{host.name}:{host.port}" if host else ""

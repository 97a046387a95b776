"""`python -m tests.support.cluster_here`: a private Slurm behind a private sshd until Ctrl-C.

It prints the settings with which a site on this machine uses it as `slurm-ssh`, for trying things
out: `make demo CLUSTER=slurm-ssh`, `manage.py doctor`, `manage.py deploy_pipeline`.
"""

import argparse
import shlex
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.slurm import running_slurm
from tests.support.sshd import Sshd


def main() -> None:
    """Start both, say how to use them, and keep them until somebody stops this."""
    argparse.ArgumentParser(
        prog="python -m tests.support.cluster_here",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    with ExitStack() as stack:
        name = stack.enter_context(TemporaryDirectory(prefix="lightserv-cluster-"))
        slurm = stack.enter_context(running_slurm(accounting=True))
        folder = Path(name)
        sshd = Sshd(folder, options=f"SetEnv SLURM_CONF={slurm.environment['SLURM_CONF']}")
        stack.callback(sshd.stop)
        sshd.start()
        (folder / "work").mkdir()
        host = sshd.access().host
        settings = {
            "CLUSTER": "slurm-ssh",
            "CLUSTER_HOST": host.name,
            "CLUSTER_PORT": str(host.port),
            "CLUSTER_USER": host.user,
            "CLUSTER_KEY": host.key_file,
            "CLUSTER_KNOWN_HOSTS": sshd.access().known_hosts_file,
            "CLUSTER_WORKDIR": str(folder / "work"),
            "CLUSTER_PYTHON": sys.executable,
            "CLUSTER_POLL_INTERVAL": "2",
        }
        for variable, value in settings.items():
            sys.stdout.write(f"export {variable}={shlex.quote(value)}\n")
        sys.stdout.write("# Ctrl-C ends it.\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

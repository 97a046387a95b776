"""What happens when a service that a test needs is missing: a skip on a laptop, a failure in CI.

And that no service outlives the tests.
"""

import ctypes
import os
import shutil
import signal

import pytest

PR_SET_PDEATHSIG = 1


def is_required(service: str) -> bool:
    """Return whether LIGHTSERV_REQUIRE names the service, or says "all"."""
    required = {word.strip() for word in os.environ.get("LIGHTSERV_REQUIRE", "").split(",")}
    return bool(required & {"all", service})


def missing(service: str, reason: str) -> None:
    """End the test: fail where the service is required, else skip with the reason."""
    if is_required(service):
        pytest.fail(f"LIGHTSERV_REQUIRE asks for {service}: {reason}", pytrace=False)
    pytest.skip(f"{service}: {reason}")


def find(program: str) -> str | None:
    """Return the path of a program, also of one that only root has on its PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")


def program(name: str, *, service: str, package: str) -> str:
    """Return the path of a program; without it the test ends."""
    path = find(name)
    if path is None:
        missing(service, f"{name} is not installed (apt-get install {package})")
    return str(path)


def die_with_parent() -> None:
    """Ask the kernel to end this process with the tests, also when those are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

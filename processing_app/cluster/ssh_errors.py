"""What went wrong over SSH, in words: no answer, or something that a person has to mend."""

import paramiko

from core_app.errors import Misconfigured, OutsideError, Silent
from processing_app.cluster.ssh_access import Hop

# All that a lost or silent connection raises; refused connections, unknown names and time-outs are
# OSErrors.
LOST = (paramiko.SSHException, paramiko.SFTPError, OSError, EOFError)
_PROHIBITED = 1  # RFC 4254, 5.1: administratively prohibited


def silent(where: object, problem: object) -> Silent:
    """Return that nothing is known, with what was seen of the reason."""
    words = str(problem).removeprefix("[Errno None] ") or type(problem).__name__
    return Silent("no answer over SSH", f"{where}: {words}")


def of_opening(problem: Exception, hop: Hop, *, is_connected: bool) -> OutsideError:
    """Say what a failed attempt to connect means. `is_connected`: the machine is still there."""
    match problem:
        case paramiko.BadHostKeyException():
            return _changed_key(problem, hop)
        # The same error stands for a refusal, for silence, and for a connection that broke.
        case paramiko.AuthenticationException() if is_connected and "timeout" not in str(problem):
            return _refused(problem, hop)
        case paramiko.ChannelException() if problem.code == _PROHIBITED:
            return Misconfigured(
                "no way through the jump host",
                f"it does not forward to {hop}: have AllowTcpForwarding and PermitOpen allow it.",
            )
        case paramiko.IncompatiblePeer():
            return Misconfigured("no common SSH algorithm", f"{hop}: {problem}")
        case _:
            return silent(hop, problem)


def _changed_key(problem: paramiko.BadHostKeyException, hop: Hop) -> Misconfigured:
    return Misconfigured(
        "wrong host key",
        f"{hop} shows {problem.key.fingerprint}, but {hop.known_hosts_file} says "
        f"{problem.expected_key.fingerprint}. Was the machine set up anew? If nobody can confirm "
        f"it, somebody may stand in between. Else remove the old line; then {hop.how_to_pin}",
    )


def _refused(problem: Exception, hop: Hop) -> Misconfigured:
    return Misconfigured(
        "SSH key refused",
        f"{hop} does not let in the key of {hop.host.key_file} ({problem}). Put its public half "
        f"into ~/.ssh/authorized_keys of {hop.host.user} there, and see whether the account is "
        "open.",
    )

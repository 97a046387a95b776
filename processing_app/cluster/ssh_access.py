"""How to reach a machine over SSH: which host, as whom, with which key, how long to wait."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko

from core_app.errors import Misconfigured
from processing_app.cluster.config import Host

# How the line of a public key begins, each cut to the shortest.
_PUBLIC = (b"ssh-", b"ecds", b"sk-s", b"sk-e")

# Its threads write whole tracebacks about every lost connection; the callers are told in words.
paramiko.util.get_logger("paramiko").setLevel("CRITICAL")


@dataclass(frozen=True, slots=True)
class Hop:
    """One machine on the way, with all that opening a connection to it takes."""

    host: Host
    known_hosts_file: str

    def __str__(self) -> str:
        return str(self.host)

    def key(self) -> paramiko.PKey:
        """Return the private key. Raises Misconfigured with what to do about it."""
        self._refuse_open_key()
        try:
            return paramiko.PKey.from_path(self.host.key_file)
        except OSError as problem:
            raise _unreadable("key", self.host.key_file, problem) from problem
        except (paramiko.SSHException, paramiko.UnknownKeyType, TypeError, ValueError):
            # No cause is kept: some of these errors carry the content of the file.
            raise Misconfigured(
                "unusable SSH key",
                f"{self.host.key_file} is no private key, or it has a passphrase. Make one without "
                f"for this purpose (ssh-keygen -t ed25519) and have {self} accept it.",
            ) from None

    def load_known_hosts(self, client: paramiko.SSHClient) -> None:
        """Trust the machines in the file and no other. Raises Misconfigured."""
        client.set_missing_host_key_policy(KnownOnly(self))
        try:
            client.load_host_keys(str(self.known_hosts_file))
        except OSError as problem:
            raise _unreadable("known_hosts", self.known_hosts_file, problem) from problem
        except (ValueError, paramiko.hostkeys.InvalidHostKey) as problem:
            raise Misconfigured(
                "unusable known_hosts file",
                f"{self.known_hosts_file} holds a line that is none; {self.how_to_pin}",
            ) from problem

    @property
    def how_to_pin(self) -> str:
        """Return in words how to get the machine's key into the file."""
        return (
            f"run `ssh-keyscan -p {self.host.port} {self.host.name}`, compare the fingerprint by "
            "another way (the web page or the administrators of the machine), and put the line "
            f"into {self.known_hosts_file}."
        )

    def _refuse_open_key(self) -> None:
        """Refuse a key that others may read, by the rule of ssh: if the file is our own."""
        try:
            facts = Path(self.host.key_file).stat()
        except OSError as problem:
            raise _unreadable("key", self.host.key_file, problem) from problem
        if not stat.S_ISREG(facts.st_mode):
            raise Misconfigured(
                "unusable SSH key",
                f"{self.host.key_file} is no file. Name the file of the private key.",
            )
        self._refuse_public_key()
        if facts.st_uid == os.geteuid() and facts.st_mode & 0o077:
            raise Misconfigured(
                "SSH key open to others",
                f"other accounts may read {self.host.key_file}: chmod 600, or make a new key.",
            )

    def _refuse_public_key(self) -> None:
        """It lies beside the private one, and is open to others rightly."""
        with suppress(OSError), Path(self.host.key_file).open("rb") as file:
            if file.read(len(_PUBLIC[0])).startswith(_PUBLIC):
                private = self.host.key_file.removesuffix(".pub")
                raise Misconfigured(
                    "unusable SSH key",
                    f"{self.host.key_file} is a public key. Name the private one beside it, "
                    f"{private if private != self.host.key_file else 'without .pub'}.",
                )


@dataclass(frozen=True, slots=True)
class SshAccess:
    """The access to one machine, times in seconds.

    `python` is an interpreter there, 3.6 or newer. `channel_timeout_s` is how long the machine may
    be silent while something is asked of it, `file_timeout_s` how long reading or writing files
    may take in all.
    """

    host: Host
    known_hosts_file: str
    jump: Host | None = None
    # Without a file of its own, the target's known hosts count for the jump host too.
    jump_known_hosts_file: str = ""
    python: str = "python3"
    connect_timeout_s: float = 10.0
    banner_timeout_s: float = 15.0
    auth_timeout_s: float = 15.0
    channel_timeout_s: float = 10.0
    file_timeout_s: float = 60.0
    keep_alive_s: int = 30

    def __str__(self) -> str:
        return str(self.host)

    @property
    def hops(self) -> tuple[Hop, ...]:
        """Return the machines on the way, the target last."""
        target = Hop(self.host, self.known_hosts_file)
        if self.jump is None:
            return (target,)
        return (Hop(self.jump, self.jump_known_hosts_file or self.known_hosts_file), target)

    @property
    def opening_s(self) -> float:
        """Return how long opening a connection to one machine may take in all."""
        return (
            self.connect_timeout_s
            + self.banner_timeout_s
            + self.auth_timeout_s
            + self.channel_timeout_s
        )


class KnownOnly(paramiko.RejectPolicy):  # type: ignore[misc]  # paramiko has no type hints
    """Refuse a machine whose key is not known, with its fingerprint and what to do."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise Misconfigured(
            "unknown host key",
            f"{self._hop} shows {key.fingerprint}, which {self._hop.known_hosts_file} does not "
            f"name; {self._hop.how_to_pin}",
        )


def _unreadable(what: str, path: str, problem: OSError) -> Misconfigured:
    if isinstance(problem, FileNotFoundError):
        return Misconfigured(
            f"no SSH {what} file", f"{path} is not there. Put it there, or correct its path."
        )
    return Misconfigured(
        f"unreadable SSH {what} file",
        f"{path}: {problem.strerror}. The account that the site runs under has to be able to "
        "read it.",
    )

"""The guard that keeps tests off the network: unit tests use no socket, others only loopback."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class Blocked(AssertionError):
    """A test reached for a socket that it must not use."""


def refuse_all(address: object) -> None:
    raise Blocked(f"Unit tests open no socket, but this one went for {address!r}.")


def refuse_remote(address: object) -> None:
    """Allow loopback addresses and the file names of Unix sockets."""
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        raise Blocked(f"Tests stay on this machine, but this one went for {address!r}.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "", socket.gethostname()}


@contextmanager
def guarded(refuse: Callable[[object], None]) -> Iterator[None]:
    """Ask `refuse` before each connection and each look-up of a name."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    look_up = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        refuse((name or "localhost", port))
        return look_up(host, port, *args, **kwargs)

    with (
        mock.patch.object(socket.socket, "connect", guarded_connect),
        mock.patch.object(socket.socket, "connect_ex", guarded_connect_ex),
        mock.patch.object(socket, "getaddrinfo", guarded_look_up),
    ):
        yield

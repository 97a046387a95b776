"""Unit tests open no socket, and no test leaves this machine."""

import socket

import pytest

from tests.support import network


def test_a_unit_test_opens_no_socket():
    with pytest.raises(network.Blocked), socket.create_connection(("127.0.0.1", 9)):
        pass


def test_a_unit_test_looks_up_no_name():
    with pytest.raises(network.Blocked):
        socket.getaddrinfo("localhost", 80)


@pytest.mark.parametrize(
    "address", [("192.0.2.1", 80), ("2001:db8::1", 80, 0, 0), ("example.org", 80)]
)
def test_another_machine_is_refused_everywhere(address):
    with pytest.raises(network.Blocked):
        network.refuse_remote(address)


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 80), ("::1", 80, 0, 0), ("localhost", 80), "/run/socket"]
)
def test_this_machine_is_allowed(address):
    assert network.refuse_remote(address) is None

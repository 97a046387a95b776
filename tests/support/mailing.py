"""Mail servers for tests: one in memory that keeps watch, and a real one that misbehaves."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.controller import Controller
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from core_app.models import Mail

WATCHFUL = "tests.support.mailing.Watchful"


class Watchful(BaseEmailBackend):
    """A backend that notes what it was given, in which thread, and whether in a transaction."""

    lock = threading.Lock()
    taken: list[tuple[str, bool]] = []

    def send_messages(self, messages: Any) -> int:
        with self.lock:
            for message in messages:
                self.taken.append((message.to[0], connection.in_atomic_block))
        return len(messages)


class Server:
    """What the real server answers: `answers` maps a recipient to replies, one after the other."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.answers: dict[str, list[str]] = {}
        self.drops = 0
        self.delay_s = 0.0
        self.final = "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        replies = self.answers.get(address, [])
        if replies:
            return replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.drops:
            self.drops -= 1
            server.transport.abort()
            return "250 never heard"
        if self.final.startswith("250"):
            self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.final


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(port: int) -> Iterator[Server]:
    """Run a real SMTP server on loopback."""
    behavior = Server()
    controller = Controller(behavior, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield behavior
    finally:
        controller.stop()


def mails_of(event: str) -> list[Mail]:
    """Return the queued mails of an event, by address."""
    return list(Mail.objects.filter(event=event).order_by("to"))


def addresses_of(event: str) -> list[str]:
    return [mail.to.partition("@")[0] for mail in mails_of(event)]

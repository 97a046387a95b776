"""The line to the mail server: the only module that knows what SMTP can answer."""

from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from types import TracebackType
from typing import Self

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from core_app.errors import OutsideError, Rejected, Unreachable

PERMANENT = 500


class Line:
    """One connection for many mails, opened with the first and anew after a failure.

    `is_down` says that it could not be opened, which tells nothing about any mail.
    """

    def __init__(self) -> None:
        self.is_down = False
        self._connection: BaseEmailBackend | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._hang_up()

    def send(self, message: EmailMessage) -> None:
        """Hand over one message to one recipient.

        Raises Rejected if the server will not take it ever, Unreachable if it may take it later.
        """
        connection = self._open()
        try:
            taken = connection.send_messages([message])
        except (SMTPException, OSError) as failure:
            self._hang_up()
            raise _judged(failure) from failure
        except (ValueError, LookupError) as mistake:  # a header or a character that cannot be
            raise Rejected("It cannot be written as a mail", str(mistake)) from mistake
        except Exception:
            self._hang_up()  # nobody knows what state it is in
            raise
        if taken != 1:
            self._hang_up()
            raise Unreachable("The mail server did not take it")

    def _open(self) -> BaseEmailBackend:
        if self._connection is None:
            connection = get_connection()
            try:
                connection.open()
            except (SMTPException, OSError) as failure:
                self.is_down = True
                raise Unreachable("The mail server cannot be reached", said(failure)) from failure
            self._connection = connection
        return self._connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except (SMTPException, OSError):
            return  # it is gone, which is what was wanted


def _judged(failure: Exception) -> OutsideError:
    """Only a lasting no to this recipient or to this message is final.

    A refused sender or sign-in is a matter of the settings, which somebody will mend.
    """
    if isinstance(failure, SMTPRecipientsRefused):
        code, _ = next(iter(failure.recipients.values()), (0, b""))
        lasting = code >= PERMANENT
    else:
        lasting = isinstance(failure, SMTPDataError) and failure.smtp_code >= PERMANENT
    if lasting:
        return Rejected("The mail server refused it", said(failure))
    return Unreachable("The mail server did not take it", said(failure))


def said(failure: Exception) -> str:
    """Return what the server said, or what kind of failure it was."""
    if isinstance(failure, SMTPRecipientsRefused):
        code, words = next(iter(failure.recipients.values()), (0, b""))
        return f"{code} {_text(words)}"
    if isinstance(failure, SMTPResponseException):
        return f"{failure.smtp_code} {_text(failure.smtp_error)}"
    return str(failure) or type(failure).__name__


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)

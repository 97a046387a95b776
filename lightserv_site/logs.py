"""The logging configuration: one line per event on standard error, without secret addresses."""

import logging
import re

# Who has such an address opens what is behind it: links, calendars, tickets, also as `next` of a
# sign-in, where slashes are encoded.
SECRET = re.compile(r"((?:/|%2F)(?:s|feeds)(?:/|%2F)|ticket=)[\w-]{16,}", re.IGNORECASE)


class WithoutSecrets(logging.Formatter):
    """Writes what a secret address is for, and not the secret."""

    def format(self, record: logging.LogRecord) -> str:
        return SECRET.sub(r"\1…", super().format(record))


def logging_of(*, debug: bool) -> dict[str, object]:
    """Return the dictionary for Django's LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": WithoutSecrets,
                "fmt": "{asctime} {levelname} {name} {message}",
                "style": "{",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            name: {"level": "INFO"}
            for name in ("core_app", "requests_app", "imaging_app", "processing_app", "viewers_app")
        }
        # The development server: one line per request.
        | {"django.server": {"level": "INFO", "handlers": ["stderr"], "propagate": False}}
        # The queue logs each enqueued task at INFO, in the web process as well.
        | {"django-q": {"level": "WARNING", "handlers": ["stderr"], "propagate": False}}
        | ({} if debug else {"django.security": {"level": "INFO"}}),
    }

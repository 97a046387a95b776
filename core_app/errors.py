"""The two kinds of failure: DomainError is for people, OutsideError is for operators."""


class DomainError(Exception):
    """A refusal that the person in front of the page can act on. Never logged as an error."""

    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotAllowed(DomainError):
    """This person may not do this to this object."""

    code = "not-allowed"


class NotReady(DomainError):
    """Something else has to happen first."""

    code = "not-ready"


class Invalid(DomainError):
    """What was given cannot be right; `fields` says where, in the words of the form."""

    code = "invalid"

    def __init__(self, message: str, *, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class Taken(DomainError):
    """A name or a place is in use."""

    code = "taken"


class InvalidTransition(DomainError):
    """The state table has no such step."""

    code = "invalid-transition"


class StaleState(DomainError):
    """Somebody else moved the object first."""

    code = "stale"


class OutsideError(Exception):
    """A part outside this process failed."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Unreachable(OutsideError):
    """It did not answer, so nothing is known. Try again later; never a result."""


class Silent(Unreachable):
    """The whole part gave no answer: whatever else is asked of it now would wait in vain too."""


class Misconfigured(OutsideError):
    """The access itself is wrong: a key, an address, a file. A person has to mend it first."""


class Rejected(OutsideError):
    """It answered no, and will answer no again."""

"""Refusals of the launcher. Each knows its HTTP status and the word that callers compare."""

from typing import ClassVar


class Refusal(Exception):
    """Something that is not done, with the sentence that says why."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "failed"


class Invalid(Refusal):
    """The request is not what the address takes."""

    status, code = 400, "invalid"


class Unsigned(Refusal):
    """Nobody we know signed it, or not now, or it was here before."""

    status, code = 401, "unsigned"


class NotAllowed(Refusal):
    """It is well-formed, and the policy says no."""

    status, code = 403, "not-allowed"


class Missing(Refusal):
    """There is no such session, layer or address."""

    status, code = 404, "missing"


class WrongMethod(Refusal):
    """The address exists, but takes other verbs."""

    status, code = 405, "wrong-method"


class Conflict(Refusal):
    """Something else has this session's place."""

    status, code = 409, "conflict"


class Full(Refusal):
    """A limit of the launcher, or of this owner, is reached."""

    status, code = 429, "full"


class Unavailable(Refusal):
    """The container engine does not answer."""

    status, code = 503, "unavailable"


class ImageMissing(Refusal):
    """The catalogue names an image that this engine does not have."""

    status, code = 503, "image-missing"


class EngineRefused(Refusal):
    """The engine answered, and could not do it: start, stop or look at a container."""

    status, code = 503, "engine-refused"


class TimedOut(Refusal):
    """The engine took too long; what became of it shows the next look."""

    status, code = 504, "timed-out"

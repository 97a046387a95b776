"""Views that people have open: for whom, of what, until when, and what was fetched for them."""

import uuid
from typing import ClassVar

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from core_app.models import Stateful, User, state_is_known
from viewers_app.models.saved import SavedVersion
from viewers_app.models.sharing import ShareLink
from viewers_app.states import OPEN, SESSION_TABLE, SessionState


class ViewerSession(Stateful):
    """One opened view: which layers, for whom, until when. The viewer cookie names it.

    It ends with the sign-in that it was opened from: the application's session, unless no browser
    opened it, and the password of then. One that a share link opened ends with that link too, and
    has no owner if its visitor was not signed in.
    """

    TABLE = SESSION_TABLE
    KIND = "viewer session"

    class Mode(models.TextChoices):
        STATIC = "static", "Static client"
        PYTHON = "python", "Python viewer"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="viewer_sessions"
    )
    share = models.ForeignKey(
        ShareLink, on_delete=models.PROTECT, null=True, blank=True, related_name="sessions"
    )
    version = models.ForeignKey(
        SavedVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="sessions",
        help_text="The saved view that it was opened from.",
    )  # fmt: skip
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.STATIC)
    title = models.CharField(max_length=200)
    spec = models.JSONField(
        help_text="Layer uuids, recipe and its options; never addresses or secrets."
    )
    sign_in = models.CharField(
        max_length=40, blank=True, editable=False, help_text="Key of the application's session."
    )
    password_stamp = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_activity_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    failure = models.TextField(blank=True, help_text="Why it could not start, or broke.")
    once = models.CharField(
        max_length=64, unique=True, null=True, blank=True, editable=False,
        help_text="Of one press of a button: pressed twice, it opens one view.",
    )  # fmt: skip
    state = models.CharField(
        max_length=16, choices=SessionState, default=SessionState.REQUESTED, editable=False
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "expires_at"], name="session_expiry")]
        constraints: ClassVar = [state_is_known(SessionState, "session_state_known")]

    def __str__(self) -> str:
        return self.title

    @property
    def root_id(self) -> None:
        return None

    @property
    def is_live(self) -> bool:
        """Return True if data may be fetched for it: asks the database about the sign-in."""
        is_open = self.state in OPEN and self.expires_at > timezone.now()
        return is_open and self._is_shared_still() and self._is_signed_in()

    def shares_sign_in_with(self, other: "ViewerSession") -> bool:
        """Return True if signing out once ends both; visitors of links have no sign-in to end."""
        return (self.owner_id, self.sign_in) == (other.owner_id, other.sign_in)

    def _is_shared_still(self) -> bool:
        return self.share is None or self.share.is_live

    def _is_signed_in(self) -> bool:
        if self.owner is None:
            return self.share is not None
        if not self.owner.is_active:
            return False
        if not constant_time_compare(self.password_stamp, self.owner.get_session_auth_hash()):
            return False
        live = Session.objects.filter(session_key=self.sign_in, expire_date__gt=timezone.now())
        return not self.sign_in or live.exists()

    @property
    def has_process(self) -> bool:
        """Return True if a Python viewer shows it."""
        return self.mode == self.Mode.PYTHON

    @property
    def layer_uuids(self) -> list[str]:
        return list(self.spec["layers"])

    @property
    def recipe(self) -> str:
        """Return the key of what was opened; "" for volumes that were ticked."""
        return str(self.spec.get("recipe", ""))

    @property
    def options(self) -> dict[str, object]:
        """Return how it is shown, beyond its recipe."""
        found = self.spec.get("options")
        return dict(found) if isinstance(found, dict) else {}


class Ticket(models.Model):
    """A one-time pass from the application to the viewer origin. Deleting the row is using it."""

    digest = models.CharField(max_length=64, unique=True)
    session = models.ForeignKey(ViewerSession, on_delete=models.CASCADE, related_name="tickets")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"ticket for {self.session}"


class LayerAccess(models.Model):
    """What was fetched of one volume for one view, summed up."""

    session = models.ForeignKey(ViewerSession, on_delete=models.CASCADE, related_name="accesses")
    layer = models.UUIDField(help_text="Address of the volume, of a sample or of an atlas.")
    requests = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-last_at"]
        verbose_name_plural = "layer accesses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "layer"], name="layer_access_unique")
        ]

    def __str__(self) -> str:
        return f"{self.session}: {self.requests} requests"


class AccessLogCursor(models.Model):
    """How far the proxy's log of what it sent was read: each line counts once."""

    path = models.CharField(max_length=255, unique=True)
    inode = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.path}: {self.offset}"

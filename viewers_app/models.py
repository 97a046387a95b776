"""What can be looked at, and who is looking."""

import uuid
from typing import ClassVar

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from core_app.models import Stateful, User, state_is_known
from core_app.paths import DataPath
from imaging_app.models import ImagingChannel
from processing_app.models import Product
from requests_app.models import Request, Sample
from viewers_app.states import SESSION_TABLE, SessionState


class DataLayer(models.Model):
    """One viewable volume. Its uuid is its address; who may open it follows from its request."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="layer")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["product__channel_id", "product__side"]

    def __str__(self) -> str:
        return f"{self.sample} {self.name} {self.product.kind}"

    @property
    def folder(self) -> DataPath:
        return self.product.folder

    @property
    def made(self) -> str:
        """Return what tells this making of the volume from others, as far as the row knows."""
        return f"{self.product.made_at.isoformat()} {self.product.info_digest}"

    @property
    def channel(self) -> ImagingChannel:
        return self.product.channel

    @property
    def sample(self) -> Sample:
        return self.channel.resolution.imaging_request.sample

    @property
    def request(self) -> Request:
        """Return the request whose rights decide who may see this volume."""
        return self.sample.request

    @property
    def name(self) -> str:
        """Return the layer's name in viewers: `647 left`, `regions`, `647 cells`."""
        wavelength = self.channel.wavelength.name
        if self.product.kind == Product.Kind.RAW_ATLAS:
            return "regions"
        if self.product.kind == Product.Kind.CELLS:
            return f"{wavelength} cells"
        return f"{wavelength} {self.product.side}".strip()


class ViewerSession(Stateful):
    """One opened view: which layers, for whom, until when. The viewer cookie names it.

    It ends with the sign-in that it was opened from: the application's session, unless no browser
    opened it, and the password of then.
    """

    TABLE = SESSION_TABLE
    KIND = "viewer session"

    class Mode(models.TextChoices):
        STATIC = "static", "Static client"
        PYTHON = "python", "Python viewer"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="viewer_sessions")
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.STATIC)
    title = models.CharField(max_length=200)
    spec = models.JSONField(
        help_text="Layer uuids and how to show them; never addresses or secrets."
    )
    sign_in = models.CharField(
        max_length=40, blank=True, editable=False, help_text="Key of the application's session."
    )
    password_stamp = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_activity_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
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
        is_open = self.state == SessionState.READY and self.expires_at > timezone.now()
        return is_open and self.owner.is_active and self._is_signed_in()

    def shares_sign_in_with(self, other: "ViewerSession") -> bool:
        """Return True if signing out once ends both."""
        return (self.owner_id, self.sign_in) == (other.owner_id, other.sign_in)

    def _is_signed_in(self) -> bool:
        if not constant_time_compare(self.password_stamp, self.owner.get_session_auth_hash()):
            return False
        live = Session.objects.filter(session_key=self.sign_in, expire_date__gt=timezone.now())
        return not self.sign_in or live.exists()

    @property
    def layer_uuids(self) -> list[str]:
        return list(self.spec["layers"])


class Ticket(models.Model):
    """A one-time pass from the application to the viewer origin. Deleting the row is using it."""

    digest = models.CharField(max_length=64, unique=True)
    session = models.ForeignKey(ViewerSession, on_delete=models.CASCADE, related_name="tickets")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"ticket for {self.session}"

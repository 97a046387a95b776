"""People, labs and who belongs to which."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

USERNAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9._-]{0,19}\Z",
    "Use 1 to 20 characters: small letters, digits, dot, underscore, hyphen; "
    "begin with a letter or digit.",
)


class User(AbstractUser):
    """A person. The username is in folders, addresses and mirror keys, so it is short and plain."""

    username = models.CharField(max_length=20, unique=True, validators=[USERNAME])
    username_frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    email = models.EmailField("e-mail", max_length=100, blank=True)

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Lab(models.Model):
    """A research group. Requests name one, and its PI sees them."""

    name = models.CharField(max_length=50, unique=True)
    shares_with_members = models.BooleanField(
        default=False, help_text="Members may read each other's requests and open their volumes."
    )

    def __str__(self) -> str:
        return self.name


class LabMembership(models.Model):
    """One person in one lab."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        PI = "pi", "Principal investigator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.MEMBER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "lab"], name="one_membership_per_lab"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.lab} ({self.get_role_display()})"

"""DataPath: a path below the data root, as rows and job specifications carry it."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core_app.errors import Invalid

LONGEST = 1024


@dataclass(frozen=True, slots=True)
class DataPath:
    """A relative POSIX path without `..`. It names the same file on the web host and the cluster.

    Raises Invalid for anything that could leave the root: absolute, `..`, NUL, backslash, empty
    part.
    """

    text: str

    def __post_init__(self) -> None:
        parts = self.text.split("/")
        if (
            not self.text
            or len(self.text) > LONGEST
            or any(part in {"", ".", ".."} for part in parts)
        ):
            raise Invalid(f"{self.text!r} is not a path below the data root.")
        if any(ord(char) < 32 or char == "\\" for char in self.text):
            raise Invalid(f"{self.text!r} has a character that no path here may have.")

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, part: str) -> "DataPath":
        return DataPath(f"{self.text}/{part}")

    @property
    def name(self) -> str:
        return PurePosixPath(self.text).name

    @property
    def parent(self) -> "DataPath":
        return DataPath(str(PurePosixPath(self.text).parent))

    def under(self, root: Path) -> Path:
        """Return the path on this machine. Links are not resolved; see `real_under`."""
        return root / self.text

    def real_under(self, root: Path) -> Path:
        """Return the path with links resolved; raises Invalid if it leads out of the root."""
        real = self.under(root).resolve()
        if not real.is_relative_to(root.resolve()):
            raise Invalid(f"{self.text} leads out of the data root through a link.")
        return real

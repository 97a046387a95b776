"""The look of the staff console: the colors, icon and favicon of the other pages, for unfold."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.templatetags.static import static


def _own(file: str) -> Callable[[HttpRequest], str]:
    """Return what finds the address later, when the list of static files is known."""
    return lambda request: static(f"site/{file}")


COLORS: Final = {
    "base": {
        "50": "oklch(98% .003 215)",
        "100": "oklch(96% .004 215)",
        "200": "oklch(91.5% .007 220)",
        "300": "oklch(85% .011 222)",
        "400": "oklch(74% .017 225)",
        "500": "oklch(54% .02 226)",
        "600": "oklch(45% .02 227)",
        "700": "oklch(37% .02 227)",
        "800": "oklch(27.5% .018 226)",
        "900": "oklch(21.5% .015 225)",
        "950": "oklch(17% .013 224)",
    },
    "primary": {
        "50": "oklch(97% .015 215)",
        "100": "oklch(94% .03 215)",
        "200": "oklch(89% .055 215)",
        "300": "oklch(83% .085 215)",
        "400": "oklch(78% .1 216)",
        "500": "oklch(72% .105 217)",
        "600": "oklch(47% .087 225)",
        "700": "oklch(41% .075 226)",
        "800": "oklch(35% .062 227)",
        "900": "oklch(29% .05 228)",
        "950": "oklch(23% .04 228)",
    },
}

LOOK: Final = {
    "SITE_ICON": _own("logo.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _own("favicon.svg")}],
    "COLORS": COLORS,
    "BORDER_RADIUS": "8px",
}

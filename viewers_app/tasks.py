"""What schedules ring: due work comes from the database."""

import logging
from pathlib import Path

from django.conf import settings

from core_app.errors import OutsideError
from viewers_app.services import activity, layers, processes, sessions

logger = logging.getLogger(__name__)


def publish_layers() -> str:
    """Make finished products and installed atlases viewable."""
    atlases = layers.publish_atlas_layers()
    return f"{layers.publish_new_products()} volumes and {atlases} of atlases published"


def expire_sessions() -> str:
    """End the views whose time is over."""
    return f"{sessions.expire_sessions()} views expired"


def count_accesses() -> str:
    """Count what the proxy sent; nothing where the site sends the bytes itself."""
    if not settings.DATA_ACCESS_LOG:
        return "no log of a proxy"
    return f"{activity.read_log(Path(settings.DATA_ACCESS_LOG))} lines read"


def tend_views() -> str:
    """Bring views and their processes into line; nothing where views have none."""
    if settings.LAUNCHER == "static":
        return "views have no processes here"
    try:
        mended, failed = processes.tend()
    except OutsideError as silence:
        logger.error("views are not tended: %s", silence)
        return "the launcher does not answer; nothing was changed"
    return f"{mended} differences of views mended, {failed} not"

"""What schedules ring: due work comes from the database."""

from pathlib import Path

from django.conf import settings

from viewers_app.services import activity, layers, sessions


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

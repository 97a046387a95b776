"""What schedules ring: due work comes from the database."""

from viewers_app.services import layers, sessions


def publish_layers() -> str:
    """Make finished products and installed atlases viewable."""
    atlases = layers.publish_atlas_layers()
    return f"{layers.publish_new_products()} volumes and {atlases} of atlases published"


def expire_sessions() -> str:
    """End the views whose time is over."""
    return f"{sessions.expire_sessions()} views expired"

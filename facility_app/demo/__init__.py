"""The demo: one request played from intake to a viewable volume by the site's own services."""

"""The demo: one request played from intake to a viewable volume, through the services of the site."""

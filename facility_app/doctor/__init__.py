"""Checks of each part of the site against the real thing, each with the next action.

A check is a function that returns a Finding. Another one is one more line in SITE_CHECKS of site.py
or CLUSTER_CHECKS of examining.py.
"""

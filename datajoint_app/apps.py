"""The datajoint mirror app."""

from django.apps import AppConfig


class DataJointConfig(AppConfig):
    name = "datajoint_app"
    verbose_name = "DataJoint mirror"

"""Meta: people in Custom Audiences."""

from tideline.activation.destinations.meta.audiences import MetaAudiences

__all__ = ["MetaAudiences"]

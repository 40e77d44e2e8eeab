"""LinkedIn: people in DMP segments, which it shows as matched audiences."""

from tideline.activation.destinations.linkedin.audiences import LinkedInAudiences

__all__ = ["LinkedInAudiences"]

"""Files in the deliveries folder, as JSON lines or CSV."""

from tideline.activation.destinations.files.files import Files

__all__ = ["Files"]

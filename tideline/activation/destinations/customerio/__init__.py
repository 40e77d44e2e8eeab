"""Customer.io: attributes of people, and memberships in manual segments."""

from tideline.activation.destinations.customerio.people import CustomerioPeople
from tideline.activation.destinations.customerio.segments import CustomerioSegments

__all__ = ["CustomerioPeople", "CustomerioSegments"]

"""A generated shop with an app and known people, habits and dirty data, for demos and tests."""

from examples.shop.business import Business, generate
from examples.shop.dirt import Dirt

__all__ = ["Business", "Dirt", "generate"]

"""A seeded shop with an app whose people, habits and dirty data are known, for demos and tests."""

from examples.shop.business import Business, generate
from examples.shop.dirt import Dirt

__all__ = ["Business", "Dirt", "generate"]

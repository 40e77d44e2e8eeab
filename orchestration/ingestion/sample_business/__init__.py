"""A seeded shop with an app whose people, habits and dirty data are known, for demos and tests."""

from orchestration.ingestion.sample_business.business import Business, generate
from orchestration.ingestion.sample_business.dirt import Dirt

__all__ = ["Business", "Dirt", "generate"]

"""A table in a PostgreSQL database, for an application that reads it."""

from tideline.activation.destinations.postgres.postgres import Postgres

__all__ = ["Postgres"]

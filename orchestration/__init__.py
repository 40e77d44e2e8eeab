"""The Dagster code location of Tideline: landing, transformation, activation."""

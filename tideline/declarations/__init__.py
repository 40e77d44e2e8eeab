"""Declarations of the dbt project, read from its files and checked."""

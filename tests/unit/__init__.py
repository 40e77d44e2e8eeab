"""Tests that need no warehouse built by dbt, in seconds."""

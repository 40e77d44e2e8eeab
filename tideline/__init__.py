"""Tideline's Python code; its layers import only downwards (docs/reference/architecture.md)."""

"""Tideline's own code, in layers that import only downwards (docs/reference/architecture.md)."""

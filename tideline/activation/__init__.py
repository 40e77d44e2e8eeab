"""Reverse ETL: make each destination hold exactly what its desired-state table says."""

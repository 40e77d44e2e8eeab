"""Reverse ETL: make each destination hold exactly the rows of its desired-state table."""

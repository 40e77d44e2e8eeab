"""Fuzzy matching of records of source systems; the matched pairs are evidence for identity."""

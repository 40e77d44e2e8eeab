"""Fuzzy matching of records of source systems; its pairs are evidence for identity."""

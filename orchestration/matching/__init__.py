"""Fuzzy matching of records across source systems; its pairs are evidence for identity."""

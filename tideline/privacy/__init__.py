"""Privacy: which columns hold personal data, and forgetting a person everywhere."""

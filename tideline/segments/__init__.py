"""What segments mean for people: reasons, and later previews and intervals."""

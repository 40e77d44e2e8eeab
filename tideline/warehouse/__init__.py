"""The warehouse: its location, its connections, its errors."""

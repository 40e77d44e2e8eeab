"""Examples that show the product; they are not part of it."""

"""What shows the product: nothing of it belongs to the product itself."""

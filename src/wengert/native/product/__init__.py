"""Matrix products, generated for their shape."""

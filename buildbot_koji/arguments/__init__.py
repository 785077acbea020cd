"""How plugins declare and check their arguments."""

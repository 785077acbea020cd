"""The hub's methods as tables, and what writes the typed stubs of them."""

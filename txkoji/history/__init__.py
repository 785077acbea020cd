"""What happens on a hub: from its bus, and complete from its own records.

A function here that asks the hub raises a KojiException if it is unreachable, or refuses.
"""

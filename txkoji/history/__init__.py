"""What happens on a hub: from its bus, and complete from its own records.

Functions that ask the hub raise a KojiException if it is unreachable or refuses.
"""

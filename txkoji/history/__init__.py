"""What happened on a hub, as events: reported by bus messages, and read from its own records."""

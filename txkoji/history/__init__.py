"""What happened on a hub, as events: from its bus messages and from polling it."""

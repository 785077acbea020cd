"""What the embedded hub announces on a message bus."""

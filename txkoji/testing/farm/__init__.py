"""What runs the embedded hub's tasks: scheduler, builder, kojira."""

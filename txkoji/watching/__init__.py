"""Watch any number of tasks with few requests, and report how they ended."""

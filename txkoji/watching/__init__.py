"""Watch any number of tasks with few requests, and say how they ended."""

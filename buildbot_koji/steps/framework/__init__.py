"""The base classes of the steps: early ends, task steps, write steps."""

"""What all steps are built on: early ends, attempts, task steps, write steps."""

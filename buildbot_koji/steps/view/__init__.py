"""How a step shows a task: the summary, live logs, the result."""

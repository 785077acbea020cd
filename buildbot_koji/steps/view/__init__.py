"""What a person sees of a step: summaries, live logs, results."""

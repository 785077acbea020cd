"""Programs that type checkers read; none of them runs."""

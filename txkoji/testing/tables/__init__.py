"""What the embedded hub knows: rows, sessions, files, and how they are looked up."""

"""The hub methods, a module a subject; importing the package fills the table of methods."""

"""Submit a task exactly once, also when a reply is lost or the process is killed."""

"""The master's links to Koji hubs and message brokers."""

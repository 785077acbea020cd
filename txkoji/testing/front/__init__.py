"""What stands between the embedded hub and the network: HTTP, TLS, web pages."""

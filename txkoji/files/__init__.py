"""Files to and from a hub: uploads, downloads, logs, RPM digests."""

"""What txkoji costs, beside Koji's official client, measured in one run: ``make bench``."""

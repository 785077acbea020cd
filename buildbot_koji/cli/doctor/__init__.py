"""``buildbot-koji doctor``: what is wrong between a master and its hubs, and the remedy."""

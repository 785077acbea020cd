"""Do things once, also over a crash: intents, the store, the outbox, cancellations."""

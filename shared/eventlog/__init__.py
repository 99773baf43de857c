"""The event log: outbox, audit trail and source of replay in one; and the relay that publishes it."""

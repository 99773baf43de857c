"""notifications: every event a patient must hear of becomes a message, answered or escalated."""

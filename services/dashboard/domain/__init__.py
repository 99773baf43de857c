"""Pure: what is known of a patient, and what that means for the board."""

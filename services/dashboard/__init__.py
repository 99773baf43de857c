"""The staff's view of every patient: built from events alone; acts through the other services' APIs."""

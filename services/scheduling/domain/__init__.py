"""Pure rules of the calendar: time, what a session needs, offers, the course planner, an appointment's life."""

"""Use cases. Each gets an open transaction and commits nothing itself.

consultations  book a first consultation, offer times for one
changes        move, cancel, note a no-show
courses        an approval becomes a planned course
gaps           what a session that falls out leaves
clashes        what stands without all that it needs
late           what a dose at another time than planned takes
elsewhere      what another system has to be told of
airway         somebody airway-trained is in the house
absences       who is away, and what stands in that time
standing_in    who could take over whose part
following      what other services' events mean for the calendar
reading        what pages and callers ask for
"""

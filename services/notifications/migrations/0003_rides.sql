-- For which move of the visit the ride was confirmed last: at another hour of the same day it is known, and may be said again.
alter table visits add column ride_revision integer not null default 0;

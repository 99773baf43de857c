-- What was found by reading every appointment there ever was.
-- An approval that is revoked or expires takes what stands under it along.
create index appointments_approval on appointments (approval_id) where approval_id is not null;
-- Which sessions run at a moment, and which bookings from elsewhere lack something: asked with every booking and absence,
-- of those alone that are not over. A clinic has few of them, however old it is.
create index appointments_standing on appointments (ends_at) where state in ('booked', 'held', 'checked-in', 'dosed');
-- From which system an appointment came: asked with every change of one.
create index external_bookings_appointment on external_bookings (appointment_id) where appointment_id is not null;

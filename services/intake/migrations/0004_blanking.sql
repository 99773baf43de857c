-- Erasure blanks the key that a patient's first event carried: intake alone made it, so intake alone may. Which column
-- changes how is held by the log's trigger.
grant update (body) on event_log to passage_intake;

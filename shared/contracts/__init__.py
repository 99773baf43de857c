"""The words the services share: events, envelope, topics, submissions. Pure; imports nothing but pydantic."""

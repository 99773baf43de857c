"""`passage verify`: whether what is kept is what the event logs say, on a system that goes on working."""

"""Outside systems behind one port: Twilio's REST API and SMTP."""

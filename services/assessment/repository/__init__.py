"""Every SQL statement of assessment, by what it keeps. What is free text goes in and comes out sealed."""

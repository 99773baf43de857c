"""What the pages for developers show: the checked-in documents of the APIs and events, as rows and sentences."""

"""What the lines of a log say of each other: which were changed, moved or are gone, and how files are linked."""

"""Days of an audit log archived and deleted by age."""

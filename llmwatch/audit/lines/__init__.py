"""One line of an audit log, judged by itself: slowly and right, or fast by its layout."""

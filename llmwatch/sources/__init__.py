"""Where lines come from: files, standard input, the demo, recordings."""

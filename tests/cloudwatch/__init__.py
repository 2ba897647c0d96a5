"""A fake of CloudWatch Logs with the faults of the real one, and the truth to hold readers against.

`model` holds the events, `traffic` makes them, `faults` says what goes wrong, `service` answers calls. Two faces
reach it: `virtual` on a virtual clock in this process, `server` over HTTP in real time.
"""

"""The numbers of the CloudWatch source: most of them on a virtual clock, and all of them without AWS."""

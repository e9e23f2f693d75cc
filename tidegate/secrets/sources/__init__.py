"""The places of secrets: one module for each service, and those of this machine.

Each reads one secret in one call of the service. Amazon, Google and Microsoft first give a token to this machine, which
is used until it expires. Reading blocks, with a deadline, so a process that serves reads in a thread.
"""

"""The admin API, `/admin/v1`: one module for each resource, with its schemas and handlers; routes.py has the table.

`tidegate/cli/commands` mirrors it: `tidegate keys` does the same as keys.py here, and prints its schemas with `--json`.
"""

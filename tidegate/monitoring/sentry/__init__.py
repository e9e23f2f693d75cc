"""Problems for Sentry: unexpected errors, and what an operator must mend; with names and places in the code only."""

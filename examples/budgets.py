"""A budget is checked before a request is sent: what it can cost at most must fit.

Give the key of a project with a small budget in TINY_KEY:

    tidegate keys create --project tiny --budget-day 0.000001
"""

import os

from openai import OpenAI, RateLimitError

client = OpenAI(api_key=os.environ["TINY_KEY"])  # reads OPENAI_BASE_URL

try:
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "When is high tide?"}],
        max_completion_tokens=1000,
    )
except RateLimitError as error:
    print(f"{error.status_code} {error.response.headers['x-tidegate-error']}: {error.body['message']}")
else:
    raise SystemExit("the budget was large enough")

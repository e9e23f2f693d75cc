"""A whole answer with the official Python SDK, what it cost, and the same request answered from the cache."""

from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY

for _ in range(2):
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "When is high tide?"}],
    )
    print(raw.parse().choices[0].message.content)
    print(f"cache: {raw.headers['x-tidegate-cache']}, cost: ${raw.headers['x-tidegate-cost-usd']}")

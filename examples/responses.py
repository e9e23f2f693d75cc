"""The Responses API: the second turn continues the first, whose text is stored in the gateway's PostgreSQL."""

from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY

first = client.responses.create(model="gpt-4o-mini", input="When is high tide?")
print(first.output_text)

second = client.responses.create(model="gpt-4o-mini", input="And low tide?", previous_response_id=first.id)
print(second.output_text)

for item in client.responses.input_items.list(second.id, order="asc"):
    print(item.type)

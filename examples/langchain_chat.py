"""LangChain reads OPENAI_BASE_URL and OPENAI_API_KEY, too: nothing else changes."""

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o-mini")
print(model.invoke("When is high tide?").content)
for chunk in model.stream("And low tide?"):
    print(chunk.content, end="", flush=True)
print()

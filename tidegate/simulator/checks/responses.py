"""The shape of a Response's request."""

from collections.abc import Mapping

from tidegate.simulator.checks.shapes import Array, Either, Number, Object, Shape, Tagged, Text
from tidegate.simulator.checks.shared_parameters import (
    ANY_OBJECT,
    COMMON,
    DETAIL,
    EFFORTS,
    FLAG,
    TEXT,
    TEXT_OR_PARTS,
    VERBOSITY,
    WORD,
    content,
)

_CONTEXT_SIZE = Text(values=("low", "medium", "high"))
_TEXT_PART = Object(fields={"text": TEXT}, required=("text",))
_IMAGE = Object(fields={"image_url": TEXT, "file_id": TEXT, "detail": DETAIL})
_FILE = Object(fields={"file_id": TEXT, "file_data": TEXT, "file_url": TEXT, "filename": TEXT})
_SAID = {"output_text": _TEXT_PART, "refusal": Object(fields={"refusal": TEXT}, required=("refusal",))}
_ASKED = {"input_text": _TEXT_PART, "input_image": _IMAGE, "input_file": _FILE, "input_audio": ANY_OBJECT}
_ASKED_PARTS = Tagged(kinds=_ASKED)
_MESSAGE_FIELDS = {"role": TEXT, "type": TEXT, "id": TEXT, "status": TEXT, "phase": TEXT}
_ASKS = Object(fields={**_MESSAGE_FIELDS, "content": content(_ASKED_PARTS)}, required=("content",), others=False)
_SAYS = Object(fields={**_MESSAGE_FIELDS, "content": content(Tagged(kinds=_SAID))}, required=("content",), others=False)
_MESSAGE = Tagged(tag="role", kinds={"assistant": _SAYS, "system": _ASKS, "developer": _ASKS, "user": _ASKS})


def _call(**fields: Shape) -> Object:
    """Return the shape of a tool's call, or of its output; all fields given are required."""
    optional = dict.fromkeys(("type", "id", "status", "name", "namespace"), TEXT)
    others: dict[str, Shape] = {"caller": ANY_OBJECT, "async": FLAG, "created_by": TEXT}
    return Object(fields={**optional, **others, **fields}, required=tuple(fields), others=False)


_OUTPUT = content(_ASKED_PARTS)
_OTHER_ITEMS = (
    "additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction",
    "compaction_trigger", "computer_call", "computer_call_output", "file_search_call", "image_generation_call",
    "item_reference", "local_shell_call", "local_shell_call_output", "mcp_approval_request", "mcp_approval_response",
    "mcp_call", "mcp_list_tools", "program", "program_output", "shell_call", "shell_call_output", "tool_search_call",
    "tool_search_output", "web_search_call",
)  # fmt: skip
_ITEM = Tagged(
    default="message",
    kinds={
        "message": _MESSAGE,
        "function_call": _call(call_id=TEXT, name=TEXT, arguments=TEXT),
        "function_call_output": _call(call_id=TEXT, output=_OUTPUT),
        "custom_tool_call": _call(call_id=TEXT, name=TEXT, input=TEXT),
        "custom_tool_call_output": _call(call_id=TEXT, output=_OUTPUT),
        "reasoning": Object(fields={"summary": Array(), "encrypted_content": TEXT}, required=("summary",)),
        **dict.fromkeys(_OTHER_ITEMS, ANY_OBJECT),
    },
)

_FUNCTION = Object(
    fields={"name": WORD, "description": TEXT, "parameters": ANY_OBJECT, "strict": FLAG}, required=("name",)
)
_FILE_SEARCH = Object(
    fields={"vector_store_ids": Array(items=TEXT), "max_num_results": Number(minimum=1, maximum=50, whole=True)},
    required=("vector_store_ids",),
)
_WEB_SEARCH = Object(fields={"search_context_size": _CONTEXT_SIZE})
_IMAGE_SIZE = Text(pattern=r"^(auto|[1-9]\d*x[1-9]\d*)$")
_IMAGE_GENERATION = Object(
    fields={
        "background": Text(values=("transparent", "opaque", "auto")),
        "output_compression": Number(minimum=0, maximum=100, whole=True),
        "output_format": Text(values=("png", "webp", "jpeg")),
        "partial_images": Number(minimum=0, maximum=3, whole=True),
        "quality": Text(values=("low", "medium", "high", "auto")),
        "size": _IMAGE_SIZE,
    }
)
_SCREEN = Object(
    fields={"display_width": Number(minimum=1, whole=True), "display_height": Number(minimum=1, whole=True)},
    required=("display_width", "display_height", "environment"),
)
_TOOL = Tagged(
    kinds={
        "function": _FUNCTION,
        "custom": Object(fields={"name": WORD, "description": TEXT}, required=("name",)),
        "file_search": _FILE_SEARCH,
        **dict.fromkeys(("web_search", "web_search_2025_08_26"), _WEB_SEARCH),
        **dict.fromkeys(("web_search_preview", "web_search_preview_2025_03_11"), _WEB_SEARCH),
        "image_generation": _IMAGE_GENERATION,
        "code_interpreter": Object(required=("container",)),
        "computer_use_preview": _SCREEN,
        "mcp": Object(fields={"server_label": TEXT}, required=("server_label",)),
        "namespace": Object(fields={"name": WORD, "tools": Array()}, required=("name", "tools")),
        **dict.fromkeys(
            ("apply_patch", "computer", "local_shell", "programmatic_tool_calling", "shell", "tool_search"), ANY_OBJECT
        ),
    }
)
_FORMAT = Tagged(
    kinds={
        "json_object": ANY_OBJECT,
        "json_schema": Object(
            fields={"name": WORD, "description": TEXT, "schema": ANY_OBJECT, "strict": FLAG},
            required=("name", "schema"),
        ),
        "text": ANY_OBJECT,
    }
)
_INCLUDED = Text(
    values=(
        "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
        "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
        "reasoning.encrypted_content", "message.output_text.logprobs",
    )
)  # fmt: skip
_SUMMARY = Text(values=("auto", "concise", "detailed"))

_FIELDS: Mapping[str, Shape] = {
    **COMMON,
    "access_programs": ANY_OBJECT,
    "background": FLAG,
    "background_options": ANY_OBJECT,
    "context_management": Array(least=1),
    "conversation": Either((TEXT, Object(fields={"id": TEXT}, required=("id",))), "one of a string or an object"),
    "image": ANY_OBJECT,
    "include": Array(items=_INCLUDED),
    "input": Either((TEXT, Array(items=_ITEM)), TEXT_OR_PARTS),
    "instructions": TEXT,
    "max_output_tokens": Number(minimum=16, whole=True),
    "max_tool_calls": Number(whole=True),
    "previous_response_id": TEXT,
    "prompt": Object(fields={"id": TEXT, "version": TEXT, "variables": ANY_OBJECT}, required=("id",)),
    "reasoning": Object(fields={"effort": EFFORTS, "summary": _SUMMARY, "generate_summary": _SUMMARY}),
    "text": Object(fields={"format": _FORMAT, "verbosity": VERBOSITY}),
    "tool_choice": Either((Text(values=("none", "auto", "required")), ANY_OBJECT), "one of a string or an object"),
    "tools": Array(items=_TOOL, most=128),
    "truncation": Text(values=("auto", "disabled")),
}
RESPONSES = Object(fields=_FIELDS, others=False)

"""Names of OpenTelemetry's semantic conventions for generative AI, as of October 2026 (status: development).

They are written down here because the packages that have them mark them as moved.  What the conventions do
not have yet, guardrails and cost, goes by names of our own, in the shape of what is proposed there.
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
CONVERSATION = "gen_ai.conversation.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOOL_NAME = "gen_ai.tool.name"
ERROR_TYPE = "error.type"
USER = "enduser.pseudo.id"

CHAT, EXECUTE_TOOL, INVOKE_AGENT = "chat", "execute_tool", "invoke_agent"

COST, CURRENCY = "wardline.usage.cost.amount", "wardline.usage.cost.currency"
REQUEST, STEP, POLICY = "wardline.request.id", "wardline.step", "wardline.policy.id"
BOUNDARY, TARGET, OUTCOME = "wardline.boundary", "wardline.target", "wardline.outcome"
ATTEMPT, ATTEMPTS = "wardline.attempt", "wardline.attempts"
GUARD, ACTION, CODES = (
    "wardline.guardrail.name",
    "wardline.guardrail.action.type",
    "wardline.guardrail.risk.codes",
)
DATA = "wardline.data."

PROVIDERS = (
    (("gpt", "o1", "o3", "o4", "chatgpt", "text-embedding"), "openai"),
    (("claude",), "anthropic"),
    (("gemini",), "gcp.gemini"),
    (("mistral", "codestral", "ministral"), "mistral_ai"),
    (("command",), "cohere"),
    (("deepseek",), "deepseek"),
    (("grok",), "x_ai"),
)


def provider(model: str) -> str:
    """Whose model it is, by its name, as the conventions call them; `_OTHER` where that does not tell."""
    name = model.rpartition("/")[2].lower()
    return next((whose for begins, whose in PROVIDERS if name.startswith(begins)), "_OTHER")

"""All imports of SDK internals.

The stable API of the SDK is what `mcp`, `mcp.server` and `mcp_types` export, and what its documentation
mentions. A server without sessions in memory needs more: a runner of requests, the rules for headers, the
types of the dispatcher. They are public, but a minor release may move them. So they are imported only here,
requirements.txt pins the minor release, and tests/mcp_app/test_sdk.py lists each.
"""

from mcp.server.connection import Connection, allowed_log_levels
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.runner import ServerRunner, modern_error_data
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import CallOptions, as_request_id
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    NAME_BEARING_METHODS,
    X_MCP_HEADER_KEY,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    decode_header_value,
    find_duplicated_routing_header,
    validate_mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.shared.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
    event_to_notification,
)
from mcp.shared.transport_context import TransportContext
from mcp_types.methods import SPEC_CLIENT_METHODS

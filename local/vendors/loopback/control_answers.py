"""How the control addresses of a simulated vendor answer."""

from __future__ import annotations

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import BaseModel, ValidationError


def json_answer(value: object, status: int = 200) -> web.Response:
    """A model, or plain values, as JSON; numbers may be keys."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    body = orjson.dumps(plain, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(status=status, body=body, content_type="application/json")


def errors_as_json(*, unknown: type[Exception], impossible: type[Exception]) -> Middleware:
    """Errors of the control addresses as JSON that says what was wrong.

    404 for what is ``unknown``; 422 for what is ``impossible``, and for a body that fits no model.
    """

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/_control"):
            return await handler(request)
        try:
            return await handler(request)
        except unknown as error:
            return json_answer({"error": str(error)}, 404)
        except (ValidationError, impossible) as error:
            return json_answer({"error": str(error)}, 422)

    return answered

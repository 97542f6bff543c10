"""What schemathesis is told besides schemas/openapi.json; tests/schemathesis.toml names this file."""

import schemathesis
from schemathesis.specs.openapi import checks

# `LIST` is a method of ours that OpenAPI 3.1 has no word for; the introduction describes it.
checks.IMPLICIT_METHODS = checks.IMPLICIT_METHODS | {"list"}


@schemathesis.hook
def before_call(context, case, kwargs):
    """A watch has no end, and a wait lasts: neither is what is tested here."""
    query = case.query
    if query and query.get("watch") in (True, "true", ""):
        for name in ("watch", "prefix", "since", "initial", "client"):
            query.pop(name, None)
    if query and isinstance(query.get("wait"), str) and query["wait"].rstrip("ms").isdigit():
        query["wait"] = "5ms"


# The problems of a request each part of which is as described: parts that contradict each other, or that speak of
# what this project does not hold. Every other 400 to valid data is a finding.
SEMANTIC = {
    "/problems/contradiction",
    "/problems/foreign-cursor",
    "/problems/invalid",
    "/problems/no-such-moment",
    "/problems/not-expressible",
    "/problems/path-too-long",  # in bytes, where JSON Schema counts characters
    "/problems/patch-does-not-apply",
}

# The same of 422: references that lead nowhere by now, names that a target does not allow, files that do not parse.
OF_CONTENT = {"/problems/not-expressible", "/problems/unprocessable", "/problems/unresolvable"}


@schemathesis.check
def valid_data_is_refused_for_its_content_only(ctx, response, case):
    if response.status_code == 422:
        problem = response.json()
        assert problem["type"] in OF_CONTENT and problem["errors"], f"No reason is told: {problem}"


@schemathesis.check
def valid_data_is_not_malformed(ctx, response, case):
    if response.status_code == 400 and case.meta is not None and case.meta.generation.mode.is_positive:
        problem = response.json()
        assert problem["type"] in SEMANTIC, f"Valid data should have been understood: {problem['detail']}"

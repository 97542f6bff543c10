use serde_json::{Value, json};

use crate::api::http::fields;
use crate::model::Path;

/// A path as a URL has it: what is no segment of a path is not here either.
pub(super) fn path_in_url() -> Value {
    json!({
        "name": "path", "in": "path", "required": true,
        "description": "A configuration path, `myapp/database/host`: segments parted by `/`. Within a segment a \
            slash is `%2F`. `env/{env}/…` names one environment's own layer. OpenAPI cannot say that a parameter \
            spans segments; a client that escapes the slashes speaks of one segment.",
        "schema": {
            "type": "string", "minLength": 1, "maxLength": Path::MAX_BYTES,
            "pattern": "^(?!\\.{1,2}$)(?!(history|diff|explain|rollback)$)[^\\u0000-\\u001F\\u007F-\\u009F/]+$",
        },
        "example": "myapp",
    })
}

/// What a segment of a path is, as text: no slash, no control character, neither `.` nor `..`.
const SEGMENT: &str = "(?!\\.{1,2}(/|$))[^\\u0000-\\u001F\\u007F-\\u009F/]+";

/// A configuration path as text, in a query or a body; `least` segments long.
pub(super) fn path_text(least: usize) -> Value {
    let segments = format!("{SEGMENT}(/{SEGMENT}){{0,{}}}", Path::MAX_SEGMENTS - 1);
    let pattern = if least == 0 { format!("^/?({segments})?$") } else { format!("^/?{segments}$") };
    json!({ "type": "string", "maxLength": Path::MAX_BYTES, "pattern": pattern })
}

/// The name of a member of a value, which is a segment of a path.
pub(super) fn segment() -> Value {
    json!({ "maxLength": Path::MAX_BYTES, "pattern": "^(?!\\.{1,2}$)[^\\u0000-\\u001F\\u007F-\\u009F]+$" })
}

/// Bytes as text (RFC 4648 section 4, with padding).
pub(super) fn base64() -> Value {
    json!({
        "type": "string", "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?$",
    })
}

/// The name of a file of a branch.
pub(super) fn file() -> Value {
    let part = "(?!\\.)[^\\u0000-\\u001F\\u007F-\\u009F/]+";
    json!({ "type": "string", "maxLength": Path::MAX_BYTES, "pattern": format!("^(\\.confgit/)?{part}(/{part}){{0,30}}$") })
}

/// The name of an environment.
pub(super) fn environment() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$" })
}

/// The name of an account, a team or a role.
pub(super) fn name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$" })
}

/// The name of a branch: the rules of git-check-ref-format(1).
pub(super) fn branch() -> Value {
    let never = "\\.\\.|@\\{|//|/\\.|\\./|\\.lock(/|$)|[./]$";
    let pattern = format!("^(?![-./]|@$)(?!.*({never}))[^\\u0000-\\u0020\\u007F-\\u009F~^:?*\\[\\\\]+$");
    json!({ "type": "string", "maxLength": 200, "pattern": pattern })
}

/// What a client calls itself.
pub(super) fn client() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._:@-]{1,128}$" })
}

fn flag() -> Value {
    json!({ "type": "boolean", "default": false })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 1 })
}

fn point() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A parameter of a query: each name means one thing wherever it is taken, so it is described once.
pub(super) fn of_query(called: &str, (usual, most): (usize, usize), formats: &[&str], ends: &Value) -> Value {
    let (description, schema) = match called {
        "since: point" => (
            "What came after this moment is told first: a sequence, a commit's 40 digits, a tag, or a time (RFC 3339). With \
             `watch=true` only; `Last-Event-ID` says more than it.",
            point(),
        ),
        "env" => ("The environment; the project's default one when absent.", environment()),
        "default" => ("The value answered where nothing stands: JSON, or text where it is none.", text()),
        "format" => {
            ("How the answer is written; before `Accept`.", json!({ "type": "string", "enum": formats }))
        }
        "literal" => {
            ("Whether `env/…` and a last segment such as `history` are keys like any other.", flag())
        }
        "version" => ("A version of the entry, from 1.", number()),
        "at" => ("A moment: a sequence, a commit's 40 digits, a tag, or a time (RFC 3339).", point()),
        "recursive" => ("Whether all entries below are answered, rather than names.", flag()),
        "after" => ("Where the page begins: the `next` of the page before.", path_text(0)),
        "before" => ("Where the page begins: the `next` of the page before.", ends.clone()),
        "is" => (
            "What became of them.",
            json!({ "type": "string", "enum": ["open", "merged", "closed", "all"], "default": "open" }),
        ),
        "author" => ("Who opened them.", json!({ "type": "string", "minLength": 1 })),
        "older_than" => (
            "Where the page begins: the `next` of the page before.",
            json!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_992_u64 }),
        ),
        "limit" => (
            "How many items a page has.",
            json!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual }),
        ),
        "list" => {
            ("Whether the names right below are answered, with their kinds; as the method LIST.", flag())
        }
        "q" => (
            "Words that entries hold in path or value; a word with a slash or `*` is a pattern for the path.",
            json!({ "type": "string", "pattern": "[^\\s\"]" }),
        ),
        "fields" => (
            "The members of entries that are wanted, parted by commas.",
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": fields::NAMES } }),
        ),
        "resolve" => (
            "Whether the value is answered as services read it: templates merged, references followed; of an object \
             the value alone. Below `/v1/config` it always is, and `false` refuses values that hold secrets (422); \
             bundles show them with `true` only.",
            flag(),
        ),
        "name" => (
            "What an object of Kubernetes is called, for `format=k8s-configmap` and `k8s-secret`; made from the path \
             when absent.",
            json!({
                "type": "string", "maxLength": 253,
                "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            }),
        ),
        "message" => ("What the commit says.", text()),
        "hide" => ("Whether a parent environment's value is hidden as well.", flag()),
        "path" => ("The path at or below which is looked; all when absent.", path_text(0)),
        "from" => ("The earlier side: a version of an entry, else a moment as `at` names it.", ends.clone()),
        "to" => ("The later side; now when absent.", ends.clone()),
        "account" => (
            "Who; the caller when absent, or in a stream everybody.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "action" => (
            "What is to be done.",
            json!({ "type": "string", "enum": crate::auth::Action::ALL.map(crate::auth::Action::name) }),
        ),
        "secret" => {
            ("The name of the secret that it is to be done to.", json!({ "type": "string", "minLength": 1 }))
        }
        "what" => (
            "What happened.",
            json!({ "type": "string", "enum": crate::service::AuditFilter::kinds().collect::<Vec<_>>() }),
        ),
        "watch" => (
            "Whether changes are answered as they happen, as an event stream (server-sent events, HTML Living Standard \
             section 9.2): events `initial`, `update`, `delete` with a `ChangeEvent` as data, `ready`, and `end` with a \
             problem. Takes `env`, `literal`, `prefix`, `since`, `initial` and `client` beside it.",
            flag(),
        ),
        "wait" => (
            "How long to wait for another answer than that of `If-None-Match`, which has to be sent: a number of seconds, \
             or one with `ms`, `s` or `m`; at most 300 s. 304 when the time is over.",
            json!({ "type": "string", "pattern": "^(([0-9]{1,2}|[12][0-9]{2}|300)s?|[0-9]{1,5}ms|[0-5]m)$" }),
        ),
        "prefix" => (
            "What is watched: paths at or below that of the URL, which is watched when there is none. With `watch=true` only.",
            json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": path_text(0) }),
        ),
        "initial" => (
            "Whether the present values come first, before `ready`. With `watch=true` only, and not with `since`.",
            flag(),
        ),
        "client" => (
            "What a watcher calls itself; also `X-Confgit-Client`. For `/api/clients` whom to look for, elsewhere with \
             `watch=true` only.",
            client(),
        ),
        "state" => (
            "Those who are connected, or those who are missed.",
            json!({ "type": "string", "enum": crate::api::http::clients::STATES, "default": "connected" }),
        ),
        "after: number" => (
            "Where the page begins: the `next` of the page before.",
            json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        ),
        "since" => ("Not before this time.", json!({ "type": "string", "format": "date-time" })),
        "until" => ("Not after this time.", json!({ "type": "string", "format": "date-time" })),
        "first" => (
            "The number of the record that the log begins with, where earlier ones were archived.",
            json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_992_u64 }),
        ),
        "from_env" => ("The environment of the earlier side.", environment()),
        "to_env" => ("The environment of the later side.", environment()),
        other => unreachable!("describe the parameter `{other}` here"),
    };
    let name = called.split(':').next().unwrap_or(called);
    let mut parameter = json!({ "name": name, "in": "query", "description": description, "schema": schema });
    if name == "action" {
        parameter["required"] = json!(true);
    }
    if name == "fields" {
        parameter["style"] = json!("form");
        parameter["explode"] = json!(false);
    }
    parameter
}

/// A header of a request.
pub(super) fn of_header(name: &str) -> Value {
    let (description, schema) = match name {
        "If-Match" => (
            "The entity tags, one of which the path must have; `*`: any. Else 412. Not with `If-None-Match`.",
            text(),
        ),
        "If-None-Match" => ("The entity tags that the client has: 304 where one is still true.", text()),
        "If-None-Match: *" => ("`*`: nothing may stand there yet. Else 412.", json!({ "const": "*" })),
        "Last-Event-ID" => (
            "Where an event stream broke off: what came after this change set is told first. With `watch=true`.",
            text(),
        ),
        "X-Request-Id" => ("A name for the request, kept in the commit's trailer.", text()),
        other => unreachable!("describe the header `{other}` here"),
    };
    let name = name.split(':').next().unwrap_or(name);
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}

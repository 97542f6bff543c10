use serde_json::{Value, json};

use super::components::Components;
use super::operation::Operation;
use super::parameter;
use crate::api::http::asked::{BARE, DESCRIBED, MOST_PER_PAGE, PAGE};
use crate::api::http::{diff, explain, history, write};
use crate::wire;

/// Headers of the answer to a write.
pub(super) const WRITTEN: [&str; 4] = ["X-Confgit-Revision", "X-Confgit-Sequence", "Cache-Control", "Vary"];

/// Any JSON value, read strictly.
pub(super) fn any() -> Value {
    json!({})
}

/// A value as a document of each format.
fn formats(json: Value) -> [(&'static str, Value); 5] {
    [
        ("application/json", json),
        ("application/yaml", any()),
        ("application/toml", json!({ "type": "string" })),
        ("text/plain", json!({ "type": "string" })),
        ("application/octet-stream", json!({ "type": "string", "format": "binary" })),
    ]
}

/// What an answer may be written as: a document of each format, or a bundle.
fn answers(json: Value) -> Vec<(&'static str, Value)> {
    let properties = ("text/x-java-properties", json!({ "type": "string" }));
    let events = ("text/event-stream", json!({ "type": "string" }));
    formats(json).into_iter().chain([properties, events]).collect()
}

/// Parameters of which one means something else than elsewhere.
fn watched(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().map(|name| if *name == "since" { "since: point" } else { *name }).collect()
}

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    [bare(), described(components), written(components), over_time(components), vec![explained(components)]]
        .into_iter()
        .flatten()
        .collect()
}

fn bare() -> Vec<Operation> {
    let bare = |path, id, summary| {
        Operation::new("get", path, id, summary)
            .tagged("entries")
            .query(&watched(&BARE))
            .headers(&["Last-Event-ID"])
            .conditional()
            .read("The bare value: as JSON unless another format is asked for.", false, &answers(any()))
            .problems(&[404, 410, 413, 422, 503])
    };
    vec![
        bare("/v1/config", "read_values", "Everything, as one value"),
        bare("/v1/config/{path}", "read_value", "The bare value at a path"),
    ]
}

fn described(components: &mut Components) -> Vec<Operation> {
    let selected = components.selected_entry();
    // What the data of events is, which OpenAPI has no place for.
    components.answer::<wire::ChangeEvent>();
    components.answer::<wire::WatchReady>();
    let page = components.named("EntryPage", json!({
        "description": "Entries below a path, with the members that are wanted.",
        "type": "object",
        "required": ["path", "entries", "next"],
        "properties": {
            "path": { "type": "string", "description": "The path." },
            "entries": { "type": "array", "items": selected, "description": "The entries, in the order of their paths." },
            "next": { "type": ["string", "null"], "description": "What `after=` takes for the next page; null at the end." },
        },
    }));
    let answer = json!({ "anyOf": [
        selected, components.answer::<wire::Children>(), page, components.answer::<wire::Listing>(), any(),
    ] });
    let described = |path, id, summary| {
        Operation::new("get", path, id, summary)
            .tagged("entries")
            .says(
                "An entry; of an object the names below; with `list=true` the names with their kinds; with \
                 `recursive=true` or `q` the entries below.",
            )
            .pages(PAGE, MOST_PER_PAGE)
            .query(&watched(&DESCRIBED))
            .headers(&["Last-Event-ID"])
            .conditional()
            .read("What stands there.", true, &answers(answer.clone()))
            .problems(&[404, 410, 413, 422, 503])
    };
    vec![
        described("/api/config", "describe_all", "What there is, from the root"),
        described(
            "/api/config/{path}",
            "describe_path",
            "An entry with what is said of it, or what is below",
        ),
    ]
}

fn written(components: &mut Components) -> Vec<Operation> {
    let written = components.answer::<wire::Written>();
    let answered = || [("application/json", written.clone())];
    let path = "/api/config/{path}";
    let writes = |operation: Operation| {
        operation
            .tagged("entries")
            .headers(&["If-Match", "If-None-Match: *", "X-Request-Id"])
            .answers(
                202,
                "Others have to agree first: a proposal was made of it, and nothing has changed.",
                &["Cache-Control"],
                &answered(),
            )
            .of_project()
            .problems(&[404, 409, 412, 413, 422, 503])
    };
    let value = components.value();
    let put = components.refined::<wire::Put>(|put| refine_put(put, &value));
    let patches = [
        ("application/merge-patch+json", value),
        ("application/json-patch+json", components.named("JsonPatch", json_patch())),
    ];
    vec![
        writes(Operation::new("put", path, "write_path", "Writes an entry, or everything below a path"))
            .says("A value with metadata as JSON; a document as YAML or TOML; text or bytes as they are.")
            .query(&write::PARAMETERS)
            .body(&formats(put))
            .answers(200, "It was written, or held that value already.", &WRITTEN, &answered())
            .answers(201, "It was written where nothing stood.", &WRITTEN, &answered())
            .problems(&[415]),
        writes(Operation::new("patch", path, "patch_path", "Changes a part of what a path holds"))
            .says("A merge patch (RFC 7396) or a JSON Patch (RFC 6902), on the environment's own layer.")
            .query(&write::PARAMETERS)
            .body(&patches)
            .answers(200, "It was changed.", &WRITTEN, &answered())
            .answers(201, "It was written where nothing stood.", &WRITTEN, &answered())
            .problems(&[415]),
        writes(Operation::new("delete", path, "delete_path", "Deletes what a path holds"))
            .query(&write::DELETE)
            .answers(200, "It was deleted.", &WRITTEN, &answered()),
        writes(Operation::new(
            "post",
            "/api/config/{path}/rollback",
            "roll_back_path",
            "Writes an earlier version again",
        ))
        .query(&write::ROLLBACK)
        .body(&[("application/json", components.request::<wire::Rollback>())])
        .answers(200, "The version's value was written.", &WRITTEN, &answered())
        .answers(201, "The version's value was written where nothing stood.", &WRITTEN, &answered())
        .problems(&[410]),
    ]
}

/// Bytes are text in the envelope.
fn refine_put(put: &mut Value, value: &Value) {
    let members = &mut put["properties"];
    members["value"] = value.clone();
    members["encoding"]["enum"] = json!(["base64", null]);
    members["schema"] = json!({
        "description": members["schema"]["description"], "type": ["object", "boolean", "null"],
    });
    put["if"] = json!({ "required": ["encoding"], "properties": { "encoding": { "const": "base64" } } });
    put["then"] = json!({ "properties": { "value": parameter::base64() } });
}

fn over_time(components: &mut Components) -> Vec<Operation> {
    let versions = components.answer::<Vec<wire::HistoryItem>>();
    let differences = [
        ("application/json", components.answer::<wire::Diff>()),
        ("text/x-diff", json!({ "type": "string" })),
    ];
    vec![
        Operation::new(
            "get",
            "/api/config/{path}/history",
            "list_versions",
            "The versions of a path, newest first",
        )
        .tagged("entries")
        .pages(history::PAGE, history::MOST_PER_PAGE)
        .ends(json!({ "type": "string", "pattern": "^[0-9]{1,18}(\\.[0-9]{1,18})?$" }))
        .query(&history::PARAMETERS)
        .conditional()
        .read("A page of versions.", true, &[("application/json", versions)])
        .problems(&[404, 410, 503]),
        Operation::new(
            "get",
            "/api/config/{path}/diff",
            "compare_versions",
            "What differs between two versions",
        )
        .tagged("entries")
        .says("Of an entry `from` and `to` are versions; of an object they are moments.")
        .pages(diff::PAGE, diff::MOST_PER_PAGE)
        .formats(&["json", "unified"])
        .query(&diff::OF_PATH)
        .conditional()
        .read("What differs.", true, &differences)
        .problems(&[404, 410, 413, 503]),
    ]
}

fn explained(components: &mut Components) -> Operation {
    let explanation = [("application/json", components.answer::<wire::Explanation>())];
    Operation::new("get", "/api/config/{path}/explain", "explain_path", "Why an environment shows what it shows")
        .tagged("entries")
        .says(
            "What each layer of the environment has at the path, nearest first: which is shown, which hides or is \
             hidden, and the file, line, version, commit and author it comes from. A path at which nothing stands \
             is explained as well.",
        )
        .query(&explain::PARAMETERS)
        .conditional()
        .read("The explanation.", false, &explanation)
        .problems(&[404, 410, 413, 503])
}

fn json_patch() -> Value {
    let pointer = || json!({ "type": "string", "pattern": "^(/([^~/]|~[01])*)*$" });
    let operation = |names: &[&str], member: &str, schema: Value| {
        json!({
            "type": "object",
            "required": ["op", "path", member],
            "properties": { "op": { "enum": names }, "path": pointer(), member: schema },
        })
    };
    let remove = json!({
        "type": "object",
        "required": ["op", "path"],
        "properties": { "op": { "const": "remove" }, "path": pointer() },
    });
    json!({
        "description": "Operations on a value, in order; all are made or none (RFC 6902).",
        "type": "array",
        "items": { "oneOf": [
            operation(&["add", "replace", "test"], "value", any()),
            operation(&["move", "copy"], "from", pointer()),
            remove,
        ] },
    })
}

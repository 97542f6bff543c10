use serde_json::{Value, json};

use super::components::Components;
use super::entries::WRITTEN;
use super::operation::Operation;
use super::parameter;
use crate::wire;

/// Each op takes members of its own.
fn refine_edit(edit: &mut Value, value: &Value) {
    let members = edit["properties"].take();
    let one = |op: &str, needed: &[&str], taken: &[&str], changes: &[(&str, Value)]| {
        let mut properties = json!({ "op": { "const": op } });
        for name in [needed, taken].concat() {
            properties[name] = members[name].clone();
        }
        for (name, schema) in changes {
            for (word, said) in schema.as_object().into_iter().flatten() {
                properties[name][word] = said.clone();
            }
        }
        json!({
            "type": "object",
            "required": ([&["op"], needed].concat()),
            "properties": properties,
            "additionalProperties": false,
        })
    };
    let (path, env) = (
        ("path", parameter::path_text(1)),
        ("env", json!({ "pattern": parameter::environment()["pattern"] })),
    );
    let no_list = json!({ "allOf": [value, { "type": ["null", "boolean", "number", "string", "object"] }] });
    let patch = json!({ "anyOf": [no_list, { "$ref": "#/components/schemas/JsonPatch" }] });
    let file = [
        ("file", parameter::file()),
        ("content", json!({ "type": ["string", "null"] })),
        ("encoding", json!({ "const": null })),
        env.clone(),
    ];
    let encoded = [
        ("file", parameter::file()),
        ("content", parameter::base64()),
        ("encoding", json!({ "const": "base64" })),
        env.clone(),
    ];
    let put = [("value", value.clone()), path.clone(), env.clone()];
    let patch = [("value", patch), path.clone(), env.clone()];
    *edit = json!({
        "description": edit["description"],
        "oneOf": [
            one("put", &["path", "value"], &["env", "if_version"], &put),
            one("patch", &["path", "value"], &["env", "if_version"], &patch),
            one("delete", &["path"], &["env", "if_version"], &[path, env]),
            one("file", &["file", "content"], &["env", "encoding"], &file),
            one("file", &["file", "content", "encoding"], &["env"], &encoded),
        ],
    });
}

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let value = components.value();
    let batch = components.request::<wire::Batch>();
    let batch_again = batch.clone();
    components.refined::<wire::BatchEdit>(|edit| refine_edit(edit, &value));
    let get = components.refined::<wire::BatchGet>(|get| {
        get["properties"]["paths"]["items"] = parameter::path_text(0);
        get["properties"]["env"]["pattern"] = parameter::environment()["pattern"].clone();
    });
    vec![
        Operation::new(
            "post",
            "/api/batch",
            "write_batch",
            "Several edits, all or nothing, as one change set",
        )
        .tagged("batches")
        .headers(&["X-Request-Id"])
        .body(&[("application/json", batch)])
        .answers(
            200,
            "All edits were made.",
            &["X-Confgit-Sequence", "Cache-Control", "Vary"],
            &[("application/json", components.answer::<wire::BatchWritten>())],
        )
        .answers(
            202,
            "Others have to agree first: a proposal was made of it, and nothing has changed.",
            &["Cache-Control"],
            &[("application/json", components.answer::<wire::BatchWritten>())],
        )
        .of_project()
        .problems(&[404, 409, 412, 422, 503]),
        Operation::new("post", "/api/preview", "preview", "What a batch of edits would come to")
            .tagged("batches")
            .says("What each environment would show, and what would be wrong; nothing is written.")
            .body(&[("application/json", batch_again)])
            .answers(
                200,
                "What would become of it.",
                &[&WRITTEN[..], &["ETag"]].concat(),
                &[("application/json", components.answer::<wire::Preview>())],
            )
            .of_project()
            .problems(&[404, 409, 412, 422, 503]),
        Operation::new("post", "/api/batch/get", "read_batch", "Several paths as they are at one moment")
            .tagged("batches")
            .body(&[("application/json", get)])
            .answers(
                200,
                "One item for each path.",
                &[&WRITTEN[..], &["ETag"]].concat(),
                &[("application/json", components.answer::<wire::BatchGot>())],
            )
            .of_project()
            .problems(&[404, 410, 422, 503]),
    ]
}

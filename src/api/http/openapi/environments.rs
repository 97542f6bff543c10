use serde_json::{Value, json};

use super::components::Components;
use super::entries::WRITTEN;
use super::operation::Operation;
use super::parameter;
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let written = components.answer::<wire::WrittenEnvironment>();
    let written = [("application/json", written)];
    let value = components.value();
    components.refined::<wire::Resolution>(|resolution| {
        let members = resolution["properties"].take();
        let one = |name: &str, schema: Value| {
            json!({
                "type": "object",
                "required": [name],
                "properties": { "id": members["id"], name: schema },
                "additionalProperties": false,
            })
        };
        let side = json!({ "$ref": "#/components/schemas/Side" });
        *resolution = json!({
            "description": resolution["description"],
            "oneOf": [one("take", side), one("value", value), one("delete", json!({ "const": true }))],
        });
    });
    let promote = components.refined::<wire::Promote>(|promote| {
        let members = &mut promote["properties"];
        for member in ["from", "to"] {
            members[member]["pattern"] = parameter::environment()["pattern"].clone();
        }
        for word in ["maxLength", "pattern"] {
            members["path"][word] = parameter::path_text(0)[word].clone();
        }
        members["resolutions"]["propertyNames"] = parameter::path_text(0);
    });
    vec![
        Operation::new("get", "/api/environments", "list_environments", "All environments")
            .tagged("environments")
            .conditional()
            .read(
                "They, as the settings order them.",
                false,
                &[("application/json", components.answer::<wire::Environments>())],
            ),
        Operation::new("post", "/api/environments", "create_environment", "Makes an environment")
            .tagged("environments")
            .body(&[(
                "application/json",
                components.refined::<wire::NewEnvironment>(|new| {
                    let members = &mut new["properties"];
                    for (member, schema) in [
                        ("name", parameter::environment()),
                        ("branch", parameter::branch()),
                        ("inherits", parameter::environment()),
                    ] {
                        members[member]["pattern"] = schema["pattern"].clone();
                    }
                }),
            )])
            .answers(201, "It was made.", &WRITTEN, &written)
            .of_project()
            .problems(&[409, 503]),
        Operation::new("get", "/api/environments/{env}", "read_environment", "One environment")
            .tagged("environments")
            .conditional()
            .read(
                "The environment.",
                false,
                &[("application/json", components.answer::<wire::Environment>())],
            )
            .problems(&[404]),
        Operation::new(
            "post",
            "/api/environments/{env}/rollback",
            "roll_back_environment",
            "Writes an environment's own layer as it was",
        )
        .tagged("environments")
        .headers(&["X-Request-Id"])
        .body(&[("application/json", components.request::<wire::EnvironmentRollback>())])
        .answers(200, "The layer is as it was at that moment.", &WRITTEN, &written)
        .answers(
            202,
            "Others have to agree first: a proposal was made of it, and nothing has changed.",
            &["Cache-Control"],
            &[("application/json", components.answer::<wire::WrittenEnvironment>())],
        )
        .of_project()
        .problems(&[404, 409, 410, 503]),
        Operation::new("post", "/api/promote", "promote", "Brings what one environment's layer says to another")
            .tagged("environments")
            .says(
                "Three-way, entry by entry: what changed in the layer of `from` since it was promoted last (at first: \
                 what differs from what their common ancestor shows) comes over to the layer of `to`. What both changed \
                 is 409 `merge-conflict` with both sides, until `take` or `resolutions` say what becomes of it. What \
                 describes entries comes along; variables do only where `path` names them.",
            )
            .headers(&["X-Request-Id"])
            .body(&[("application/json", promote)])
            .answers(
                200,
                "What became of it.",
                &["X-Confgit-Sequence", "Cache-Control", "Vary"],
                &[("application/json", components.answer::<wire::Promoted>())],
            )
            .answers(
                202,
                "Others have to agree first: a proposal was made of it, and nothing has changed.",
                &["Cache-Control"],
                &[("application/json", components.answer::<wire::Promoted>())],
            )
            .of_project()
            .problems(&[404, 409, 412, 422, 503]),
    ]
}

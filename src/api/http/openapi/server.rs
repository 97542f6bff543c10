use serde_json::json;

use super::components::Components;
use super::operation::Operation;
use crate::api::http::asked::{MOST_PER_PAGE, PAGE};
use crate::api::http::clients;
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let get = |path, id, summary| Operation::new("get", path, id, summary).tagged("server");
    let status = [("application/json", components.answer::<wire::Status>())];
    let caller = [("application/json", components.answer::<wire::Whoami>())];
    let seen = [("application/json", components.answer::<wire::Clients>())];
    let acknowledge = [("application/json", components.request::<wire::Acknowledge>())];
    let acknowledged = [("application/json", components.answer::<wire::Acknowledged>())];
    let taken = [("application/json", components.answer::<wire::WebhookTaken>())];
    let accept = [("application/json", components.request::<wire::AcceptUpstream>())];
    let accepted = [("application/json", components.answer::<wire::AcceptUpstream>())];
    let archive = [("application/x-tar", json!({ "type": "string", "contentEncoding": "binary" }))];
    let metrics = [("application/openmetrics-text", json!({ "type": "string" }))];
    let of_project = [
        get("/api/status", "read_status", "How the project is").answers(200, "Its parts.", &[], &status),
        Operation::new("get", "/api/clients", "list_clients", "Who watches, and how far behind each is")
            .tagged("server")
            .says("Those who watch what the caller may read something of, the oldest watch first.")
            .pages(PAGE, MOST_PER_PAGE)
            .query(&clients::LIST.map(|name| if name == "after" { "after: number" } else { name }))
            .answers(200, "A page of them.", &["Link", "Cache-Control"], &seen)
            .problems(&[404]),
        Operation::new("post", "/api/clients/{client}/acknowledge", "acknowledge", "Says what a client follows by now")
            .tagged("server")
            .says("For the account that it watches with: how far it is then shows what it follows, not what it was sent.")
            .body(&acknowledge)
            .answers(200, "It was noted.", &["Cache-Control"], &acknowledged)
            .problems(&[404, 413, 415]),
        Operation::new("delete", "/api/clients/{client}", "leave", "Says that a client leaves")
            .tagged("server")
            .says("For the account that it watches with: it is not missed.")
            .answers(204, "It was noted.", &["Cache-Control"], &[])
            .problems(&[404]),
        Operation::new("post", "/api/webhooks/{forge}", "take_webhook", "Says that the upstream has news")
            .tagged("server")
            .says(
                "What a forge posts after a push, as it signs it: `X-Hub-Signature-256`, `X-Gitea-Signature` and Bitbucket's \
                 `X-Hub-Signature` are HMAC-SHA-256 of the body with the secret that `upstream: { webhook }` in the settings \
                 names, `X-Gitlab-Token` is that secret. It is a hint: the server then asks the upstream.",
            )
            .open()
            .body(&[("application/json", json!({}))])
            .answers(202, "The upstream is asked.", &[], &taken)
            .answers(200, "The same was taken before.", &[], &taken)
            .problems(&[404]),
        Operation::new("post", "/api/upstream/accept", "accept_upstream", "Takes in what the upstream has, though it lost commits")
            .tagged("server")
            .says("For administrators. What is lost is kept for history; the branch goes where the upstream has it.")
            .body(&accept)
            .answers(202, "It is taken in with the next round.", &[], &accepted),
        get("/api/whoami", "who_am_i", "Who is calling, and what that account may do").answers(
            200,
            "The caller.",
            &[],
            &caller,
        ),
        get("/api/backup", "back_up", "The whole project as a tar archive, of one moment")
            .says(
                "For callers who may write: settings and the hashes of keys are in it. `confgit restore` makes a \
                directory of it. It is sent as it is made: an answer that ends early is no backup.",
            )
            .answers(
                200,
                "The archive.",
                &["X-Confgit-Sequence", "Content-Disposition", "Cache-Control"],
                &archive,
            )
            .problems(&[503]),
        get("/metrics", "read_metrics", "What is counted, in the OpenMetrics format").answers(
            200,
            "The metrics.",
            &[],
            &metrics,
        ),
    ];
    of_project.into_iter().map(Operation::of_project).chain(health(components)).chain(pages()).collect()
}

fn health(components: &mut Components) -> Vec<Operation> {
    let parts = components.answer::<wire::Parts>();
    let ready = components.named(
        "Readiness",
        json!({
            "description": "Whether every project can be read and written.",
            "type": "object",
            "required": ["ready", "parts", "projects"],
            "properties": {
                "ready": { "type": "boolean", "description": "Whether all are." },
                "parts": parts,
                "projects": {
                    "description": "Each project.",
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["ready", "parts"],
                        "properties": { "ready": { "type": "boolean" }, "parts": parts },
                    },
                },
            },
        }),
    );
    let alive = json!({
        "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } },
    });
    let ready = [("application/json", ready)];
    vec![
        Operation::new("get", "/healthz", "is_alive", "Whether the process answers")
            .tagged("server")
            .open()
            .answers(200, "It does.", &[], &[("application/json", alive)]),
        Operation::new("get", "/readyz", "is_ready", "Whether values can be read and written")
            .tagged("server")
            .open()
            .answers(200, "They can.", &[], &ready)
            .answers(503, "Not yet, or not any more; `parts` says which.", &[], &ready),
    ]
}

fn pages() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    let files = [("text/javascript", text.clone()), ("text/css", text.clone()), ("text/plain", text.clone())];
    vec![
        Operation::new("get", "/openapi.json", "read_description", "This description").answers(
            200,
            "It.",
            &["Cache-Control"],
            &[("application/json", json!({ "type": "object" }))],
        ),
        Operation::new("get", "/docs", "read_docs", "This description, for people").answers(
            200,
            "A page.",
            &["Cache-Control"],
            &[("text/html", text)],
        ),
        Operation::new("get", "/docs/{file}", "read_docs_file", "What that page consists of")
            .answers(200, "The file.", &["Cache-Control", "Vary"], &files)
            .problems(&[404]),
    ]
    .into_iter()
    .map(|operation| operation.tagged("server").open().problems(&[400]))
    .collect()
}

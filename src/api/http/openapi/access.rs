use serde_json::{Value, json};

use super::components::Components;
use super::operation::Operation;
use super::parameter;
use crate::api::http::{accounts, audit};
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    account_operations(components).into_iter().chain(audit_operations(components)).collect()
}

fn account_operations(components: &mut Components) -> Vec<Operation> {
    let account = [("application/json", components.answer::<wire::Account>())];
    let key = [("application/json", components.answer::<wire::IssuedKey>())];
    let told = ["Cache-Control"];
    let post = |path, id, summary| Operation::new("post", path, id, summary).tagged("access").of_project();
    let new = components.refined::<wire::NewAccount>(|new| {
        let members = &mut new["properties"];
        members["name"] = described(parameter::name(), "The name.");
        members["kind"]["enum"] = json!(["person", "service", null]);
        members["teams"]["items"] = parameter::name();
        members["expires_at"]["format"] = json!("date-time");
    });
    let rotate = components.refined::<wire::RotateKey>(|rotate| {
        let members = &mut rotate["properties"];
        members["grace_seconds"]["maximum"] = json!(accounts::MOST_GRACE_SECONDS);
        members["expires_at"]["format"] = json!("date-time");
    });
    vec![
        Operation::new("get", "/api/accounts", "list_accounts", "The accounts, and what is known of their keys")
            .tagged("access")
            .says("For administrators. Of a key its hash is kept and nothing else.")
            .of_project()
            .answers(200, "They.", &told, &[("application/json", components.answer::<wire::Accounts>())]),
        post("/api/accounts", "create_account", "Makes an account and its first key")
            .says("For administrators. The key is told this once. What the account may do, the rules of `access.yaml` say.")
            .body(&[("application/json", new)])
            .answers(201, "The key.", &told, &key)
            .problems(&[409, 503]),
        post("/api/accounts/{account}/rotate", "rotate_key", "Gives an account another key")
            .says("For administrators. The keys that it has go on for `grace_seconds`, so that no request fails meanwhile.")
            .body(&[("application/json", rotate)])
            .answers(200, "The key.", &told, &key)
            .problems(&[404, 503]),
        post("/api/accounts/{account}/disable", "disable_account", "Refuses an account from now on")
            .says("For administrators. The last one who may administer the project is not disabled.")
            .answers(200, "The account.", &told, &account)
            .problems(&[404, 409, 503]),
        post("/api/accounts/{account}/enable", "enable_account", "Refuses an account no longer")
            .says("For administrators.")
            .answers(200, "The account.", &told, &account)
            .problems(&[404, 503]),
        Operation::new("get", "/api/access/explain", "explain_access", "What the rules say of an action")
            .tagged("access")
            .says(
                "Whether an account may do something, and which rule decides: of those that speak of it the one whose \
                 pattern says most literally, then the one that names the environment, then the one that denies. \
                 Anybody may ask about themselves, administrators about all. `path` is for `read write approve govern \
                 admin`, `secret` for `secrets:use` and `secrets:read`.",
            )
            .query(&accounts::EXPLAIN)
            .of_project()
            .answers(
                200,
                "What they say.",
                &told,
                &[("application/json", components.answer::<wire::AccessExplanation>())],
            )
            .problems(&[404]),
    ]
}

fn audit_operations(components: &mut Components) -> Vec<Operation> {
    vec![
        Operation::new("get", "/api/audit", "read_audit", "Who did what, newest first")
            .tagged("access")
            .says(
                "For administrators. Change sets, commits of the settings, and the audit log (refusals, failed \
                 sign-ins, reads of secrets, exports) as one stream. A page ends with what it has looked through: it \
                 may have fewer items than `limit`, and still a `next`.",
            )
            .pages(audit::PAGE, audit::MOST_PER_PAGE)
            .ends(json!({ "type": "string", "pattern": "^[0-9]{1,18}\\.[0-9]{1,18}\\.[0-9]{1,9}$" }))
            .query(&audit::STREAM)
            .of_project()
            .answers(
                200,
                "A page.",
                &["Cache-Control", "Link"],
                &[("application/json", components.answer::<wire::Audit>())],
            )
            .problems(&[503]),
        Operation::new("get", "/api/audit/verify", "verify_audit", "Whether the audit log is whole")
            .tagged("access")
            .says(
                "For administrators. Every record's hash, the chain, and that each record is there which the journal \
                 says was. `confgit audit verify` does the same with the files alone.",
            )
            .query(&audit::VERIFY)
            .of_project()
            .answers(
                200,
                "What was found.",
                &["Cache-Control"],
                &[("application/json", components.answer::<wire::AuditReport>())],
            )
            .problems(&[503]),
    ]
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

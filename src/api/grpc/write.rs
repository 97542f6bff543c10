use super::convert::{given, json_of, sent, written_path};
use super::service::Caller;
use crate::api::http::App;
use crate::api::http::problem::Problem;
use crate::api::http::put_body::batch_patch;
use crate::api::http::write::commit;
use crate::model::Environments;
use crate::present;
use crate::service::{Edit, EditOp, Precondition, Write};
use crate::wire;
use crate::wire::grpc::edit::{Op, Precondition as Expected};
use crate::wire::grpc::{
    ApplyRequest, DeleteRequest, Edit as AskedEdit, PutRequest, WriteResponse, WrittenEntry,
};

pub(super) async fn put(
    app: &App,
    caller: Caller<'_>,
    request: PutRequest,
) -> Result<WriteResponse, Problem> {
    let precondition = match (given(&request.if_match), request.if_absent) {
        (Some(_), true) => {
            return Err(Problem::contradiction("`if_match` and `if_absent` cannot hold together; send one"));
        }
        (None, true) => Precondition::Absent,
        (expected, false) => expected_of(expected),
    };
    let op = EditOp::Put { value: sent(request.value)?, metadata: Box::default(), as_text: false };
    let edits = vec![edit(app, (&request.path, &request.env), false, op, precondition)?];
    decide(app, caller, &request.message, edits).await
}

pub(super) async fn delete(
    app: &App,
    caller: Caller<'_>,
    request: DeleteRequest,
) -> Result<WriteResponse, Problem> {
    let op = if request.hide { EditOp::Hide } else { EditOp::Delete };
    let precondition = expected_of(given(&request.if_match));
    let edits = vec![edit(app, (&request.path, &request.env), false, op, precondition)?];
    decide(app, caller, &request.message, edits).await
}

pub(super) async fn apply(
    app: &App,
    caller: Caller<'_>,
    request: ApplyRequest,
) -> Result<WriteResponse, Problem> {
    if !(1..=wire::MOST_BATCH_EDITS).contains(&request.edits.len()) {
        let detail = format!("`edits` has 1 to {} items", wire::MOST_BATCH_EDITS);
        return Err(Problem::malformed(detail));
    }
    let edits = request.edits.into_iter().map(|asked| one_of_many(app, asked));
    let edits = edits.collect::<Result<_, _>>()?;
    decide(app, caller, &request.message, edits).await
}

fn one_of_many(app: &App, asked: AskedEdit) -> Result<Edit, Problem> {
    let op = match asked.op {
        Some(Op::Put(value)) => {
            EditOp::Put { value: sent(Some(value))?, metadata: Box::default(), as_text: false }
        }
        Some(Op::Delete(_)) => EditOp::Delete,
        Some(Op::Patch(json)) => {
            let patch = batch_patch(json_of(&json, "patch")?);
            EditOp::Patch(patch.map_err(|error| Problem::malformed(format!("`patch`: {error}")))?)
        }
        None => return Err(Problem::malformed("an edit has a `put`, a `delete` or a `patch`")),
    };
    let precondition = match asked.precondition {
        None | Some(Expected::IfAbsent(false)) => Precondition::None,
        Some(Expected::IfAbsent(true) | Expected::IfVersion(0)) => Precondition::Absent,
        Some(Expected::IfVersion(version)) => Precondition::OneOf(vec![version.to_string()]),
    };
    // As in a batch over HTTP, preconditions are about the layer itself.
    edit(app, (&asked.path, &asked.env), true, op, precondition)
}

fn expected_of(if_match: Option<&str>) -> Precondition {
    match if_match {
        None => Precondition::None,
        Some("*") => Precondition::Present,
        Some(tag) => Precondition::OneOf(vec![tag.to_owned()]),
    }
}

fn edit(
    app: &App,
    (path, env): (&str, &str),
    layer_only: bool,
    op: EditOp,
    precondition: Precondition,
) -> Result<Edit, Problem> {
    let environments: &Environments = &app.project.core().environments();
    let environment = if env.is_empty() { environments.default_name().clone() } else { env.into() };
    Ok(Edit { environment, path: written_path(path)?, layer_only, op, precondition })
}

async fn decide(
    app: &App,
    caller: Caller<'_>,
    message: &str,
    edits: Vec<Edit>,
) -> Result<WriteResponse, Problem> {
    let grant = caller.may_write(app)?;
    let (message, request_id) = (given(message).map(str::to_owned), caller.request_id());
    let written = commit(app, Write { grant, message, request_id, edits }, ()).await?;
    if let Some(number) = written.proposal {
        return Err(Problem::proposed(number, &present::proposal_url(number)));
    }
    let told = present::batch(&written);
    let entries = told.entries.into_iter().map(|entry| WrittenEntry {
        path: entry.path,
        env: entry.env.unwrap_or_default(),
        version: entry.version,
        deleted: entry.deleted,
    });
    Ok(WriteResponse {
        sequence: told.sequence,
        revisions: told.revisions.into_iter().collect(),
        entries: entries.collect(),
        changed: written.changed,
    })
}

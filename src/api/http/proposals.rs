use std::sync::Arc;

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::accounts::answer;
use super::asked::blocking;
use super::batch::read_edits;
use super::body::Body;
use super::problem::Problem;
use super::query::Query;
use super::{App, caller};
use crate::model::{Environments, Timestamp};
use crate::present;
use crate::proposal::{Act, Proposal};
use crate::service::{MOST_PROPOSALS, NewProposal, ProposalFilter, Wish, Write, Written};
use crate::wire;

/// The parameters of the list.
pub(super) const LIST: [&str; 5] = ["is", "env", "author", "older_than", "limit"];

/// The largest number that every client can write.
const MOST_NUMBER: u64 = 1 << 53;

/// What can be done to a proposal.
pub(super) const ACTS: [&str; 9] =
    ["comment", "approve", "withdraw", "schedule", "unschedule", "edit", "resolve", "merge", "close"];

/// `GET /api/proposals`: those that the caller may see, the newest first.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &LIST)?;
    let state = query.get("is").unwrap_or("open").to_owned();
    if !["open", "merged", "closed", "all"].contains(&state.as_str()) {
        return Err(Problem::malformed("`is` is `open`, `merged`, `closed` or `all`"));
    }
    let limit = query.number("limit")?.unwrap_or(50);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=MOST_PROPOSALS).contains(limit));
    let limit =
        limit.ok_or_else(|| Problem::malformed(format!("`limit` is between 1 and {MOST_PROPOSALS}")))?;
    let (environment, author) =
        (query.get("env").map(str::to_owned), query.text("author")?.map(str::to_owned));
    let before = query.number("older_than")?;
    if before.is_some_and(|number| number > MOST_NUMBER) {
        return Err(Problem::malformed(format!("`older_than` is at most {MOST_NUMBER}")));
    }
    if let Some(name) = &environment {
        app.project.core().reading(&grant).check_environment(name)?;
    }
    let core = app.project.core().clone();
    let found = blocking(move || {
        let filter = ProposalFilter {
            state: Some(state.as_str()).filter(|state| *state != "all"),
            environment: environment.as_deref(),
            author: author.as_deref(),
            before,
            limit,
        };
        core.proposals(&grant, &filter)
    });
    let (found, has_more) = found.await??;
    let next = found.last().filter(|_| has_more).map(|last| last.number);
    let proposals = found.iter().map(|found| present::proposal(found)).collect();
    answer(StatusCode::OK, &wire::Proposals { proposals, next })
}

/// `POST /api/proposals`: edits that others are to look at first.
pub(super) async fn open(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_write(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let request_id = caller::request_id(request.headers());
    let body = Body::read_within(&app, request, wire::MOST_BATCH_BYTES).await?;
    let wire::NewProposal { title, description, at, edits } = body.json()?;
    let due = at.as_deref().map(moment).transpose()?;
    let edits = read_edits(edits, &app.project.core().environments())?;
    let write = Write { grant, message: title.clone(), request_id, edits };
    let new = NewProposal { write, title, description: description.unwrap_or_default(), due };
    let project = app.project.clone();
    // A client that hangs up ends its request, but not this.
    let made = tokio::spawn(async move { blocking(move || project.open_proposal(new)).await });
    let proposal = made.await.map_err(Problem::stopped)???;
    located(StatusCode::CREATED, &proposal)
}

/// `GET /api/proposals/{number}`: all that is known of one.
pub(super) async fn one(
    State(app): State<App>,
    UrlPath(number): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let number = read_number(&number)?;
    let core = app.project.core().clone();
    let view = blocking(move || core.proposal(&core.reading(&grant), number)).await??;
    answer(StatusCode::OK, &present::proposal_details(&view))
}

/// `POST /api/proposals/{number}/{act}`: something is done to one.
pub(super) async fn act(
    State(app): State<App>,
    UrlPath((number, act)): UrlPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let read = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let number = read_number(&number)?;
    let request_id = caller::request_id(request.headers());
    let body = Body::read_within(&app, request, wire::MOST_BATCH_BYTES).await?;
    let asked: wire::ProposalAct = if body.bytes().is_empty() { Default::default() } else { body.json()? };
    // One beyond what there can be is as stale as any other.
    let version = asked.version.map(|version| u32::try_from(version).unwrap_or(u32::MAX));
    let environments = app.project.core().environments();
    let wish = wish(&act, asked, &environments, || (read.as_writer(), request_id))?;
    let project = app.project.clone();
    let made = tokio::spawn(async move {
        blocking(move || project.change_proposal(&read, (number, version), wish)).await
    });
    let proposal = made.await.map_err(Problem::stopped)???;
    answer(StatusCode::OK, &present::proposal(&proposal))
}

fn wish(
    act: &str,
    asked: wire::ProposalAct,
    environments: &Environments,
    writer: impl FnOnce() -> (crate::auth::WriteGrant, Option<String>),
) -> Result<Wish, Problem> {
    let wire::ProposalAct { text, at, edits, take, resolutions, .. } = asked;
    if (act == "schedule") != at.is_some() {
        return Err(Problem::contradiction("`at` is for `schedule`, which needs it"));
    }
    if (act == "edit") == edits.is_empty() {
        return Err(Problem::contradiction("`edits` are for `edit`, which needs some"));
    }
    if (act == "resolve") == (take.is_none() && resolutions.is_empty()) {
        return Err(Problem::contradiction(
            "`take` and `resolutions` are for `resolve`, which needs one of them: `take` is `ours` (the environment as it is) or \
             `theirs` (the proposal)",
        ));
    }
    let act = match act {
        "comment" => Act::Comment,
        "approve" => Act::Approve,
        "withdraw" => Act::Withdraw,
        "schedule" => Act::Schedule(moment(at.as_deref().unwrap_or_default())?),
        "unschedule" => Act::Unschedule,
        "close" => Act::Close,
        "edit" => {
            let edits = read_edits(edits, environments)?;
            let (grant, request_id) = writer();
            return Ok(Wish::Edit(Write { grant, message: text, request_id, edits }));
        }
        "resolve" => {
            let resolving = present::resolving(take, resolutions).map_err(Problem::from)?;
            return Ok(Wish::Resolve { resolving, text });
        }
        "merge" if text.is_some() => {
            return Err(Problem::contradiction("`text` is not for `merge`; comment before"));
        }
        "merge" => return Ok(Wish::Merge { request_id: writer().1 }),
        other => {
            let detail = format!("nothing is called `{other}`; there are: {}", ACTS.join(", "));
            return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail));
        }
    };
    Ok(Wish::Act { act, text })
}

fn read_number(text: &str) -> Result<u64, Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "proposals have numbers, such as /api/proposals/7")
    })
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| Problem::malformed("`at` is a time such as 2026-01-31T12:00:00Z"))
}

/// The answer to a write of which a proposal was made: 202, and where it is.
pub(super) fn accepted(written: &Written) -> Option<Result<Response, Problem>> {
    let proposed = present::proposed(written)?;
    Some(answer(StatusCode::ACCEPTED, &proposed).map(|response| at(response, &proposed.url)))
}

fn located(status: StatusCode, proposal: &Arc<Proposal>) -> Result<Response, Problem> {
    let response = answer(status, &present::proposal(proposal))?;
    Ok(at(response, &present::proposal_url(proposal.number)))
}

fn at(mut response: Response, url: &str) -> Response {
    if let Ok(url) = HeaderValue::try_from(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}

//! Pushes: gitprotocol-pack(5), "Pushing Data To a Server".

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::inflow::{Inflow, InflowError};
use super::report::{self, Style};
use super::{Service, advertisement_of, check_body, may_fetch, pkt_line, response, result_of};
use crate::api::http::App;
use crate::api::http::caller;
use crate::api::http::problem::Problem;
use crate::auth::{AdminGrant, Denied, WriteGrant};
use crate::model::ObjectId;
use crate::service::{
    MOST_REF_UPDATES, Merging, Proposing, Push, PushRefusal, RefUpdate, RequestOrigin, ServiceError, Verdict,
    Which,
};

/// How many pushes are received at once; further ones wait.
static AT_ONCE: Semaphore = Semaphore::const_new(16);

/// How long a push waits for its turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many bytes what comes before the pack may have, and how long it may take.
const MOST_COMMAND_BYTES: usize = 1 << 20;
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// The longest name of a ref, in bytes.
const MOST_NAME_BYTES: usize = 1_000;

/// How many push options there may be.
const MOST_OPTIONS: usize = 100;

/// The option that asks for no merge where a branch moved on.
const NO_MERGE: &str = "no-merge";

/// What a server can do, as it tells clients.
const CAPABILITIES: &str = concat!(
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options ",
    "object-format=sha1 agent=confgit/",
    env!("CARGO_PKG_VERSION")
);

/// Who pushes.
enum Pusher {
    Writer(WriteGrant),
    Administrator(AdminGrant),
}

/// Who pushes may read all of it, and write something.
fn may_push(app: &App, which: Which, request: &Request) -> Result<Pusher, Problem> {
    let (headers, uri) = (request.headers(), request.uri());
    may_fetch(app, which, headers, uri)?;
    match which {
        Which::Config => Ok(Pusher::Writer(caller::may_write(app, headers, uri)?)),
        Which::Meta => Ok(Pusher::Administrator(caller::may_administer(app, headers, uri)?)),
    }
}

/// `GET …/info/refs?service=git-receive-pack`.
pub(super) async fn advertise(app: App, which: Which, request: Request) -> Result<Response, Problem> {
    may_push(&app, which, &request)?;
    drop(request);
    let read = move || app.project.core().pushable_refs(which);
    let refs = tokio::task::spawn_blocking(read).await.map_err(Problem::stopped)??;
    let mut body = BytesMut::new();
    pkt_line::line(&mut body, b"# service=git-receive-pack\n");
    body.extend_from_slice(pkt_line::FLUSH);
    let mut refs = refs.into_iter();
    let first = refs.next().unwrap_or_else(|| ("capabilities^{}".to_owned(), ObjectId::ZERO));
    pkt_line::line(&mut body, format!("{} {}\0{CAPABILITIES}\n", first.1, first.0).as_bytes());
    for (name, id) in refs {
        pkt_line::line(&mut body, format!("{id} {name}\n").as_bytes());
    }
    body.extend_from_slice(pkt_line::FLUSH);
    Ok(response(advertisement_of(Service::Receive), Body::from(body.freeze())))
}

/// `POST …/git-receive-pack`.
pub(super) async fn serve(app: App, which: Which, request: Request) -> Result<Response, Problem> {
    let pusher = may_push(&app, which, &request)?;
    check_body(request.headers(), Service::Receive)?;
    let (origin, request_id) = (caller::origin(&request), caller::request_id(request.headers()));
    let (head, body) = request.into_parts();
    let mut inflow = inflow(&head.headers, body)?;
    let place = place().await?;
    let asked = timeout(COMMAND_PATIENCE, Asked::read(&mut inflow))
        .await
        .map_err(|_| malformed(InflowError::TooSlow))?;
    let asked = asked.map_err(malformed)?;
    if asked.updates.is_empty() {
        // What Git sends to find out whether its password is taken.
        return Ok(answer(Bytes::new()));
    }
    let (merging, proposing) = match read_options(&asked.options) {
        Ok(read) => read,
        Err(problem) => {
            return Ok(answer(report::undecided(
                asked.style,
                &asked.updates,
                &problem,
                "unknown push option",
            )));
        }
    };
    let (feed, pack) = inflow.into_reader();
    let Asked { updates, style, is_atomic, has_pack, .. } = asked;
    let work = move || {
        let _place = place;
        let core = app.project.core();
        let mut pack: Box<dyn Read> = if has_pack { Box::new(pack) } else { Box::new(EMPTY_PACK) };
        let quarantine = match core.receive_pack(which, &mut *pack) {
            Ok(quarantine) => quarantine,
            Err(error) => {
                tracing::info!(%error, "a push was not taken");
                return report::not_unpacked(style, &updates, &error);
            }
        };
        let decided = match pusher {
            Pusher::Writer(grant) => {
                let push =
                    Push { grant, updates: updates.clone(), is_atomic, merging, request_id, proposing };
                app.project.receive(push, quarantine)
            }
            Pusher::Administrator(grant) => app.project.receive_settings(grant, &updates, quarantine),
        };
        match decided {
            Ok(verdicts) => {
                verdicts.iter().for_each(|verdict| note_refusal(&app, verdict, &origin));
                report::decided(style, &updates, verdicts)
            }
            Err(error) => {
                note_denied(&app, &error, &origin);
                let problem = Problem::from(error);
                report::undecided(style, &updates, &problem, "try again")
            }
        }
    };
    let worked = tokio::task::spawn_blocking(work);
    // The client may go away; what was handed over is decided all the same.
    let ((), report) = tokio::join!(feed, worked);
    Ok(answer(report.map_err(Problem::stopped)?))
}

/// What the options of a push say.
fn read_options(options: &[String]) -> Result<(Merging, Proposing), Problem> {
    let (mut merging, mut proposing) = (Merging::Refuse, Proposing::default());
    for option in options {
        match option.split_once('=') {
            None if option == NO_MERGE => merging = Merging::Never,
            Some(("title", title)) => proposing.title = Some(title.to_owned()),
            Some(("description", text)) => proposing.description = Some(text.to_owned()),
            Some(("proposal", number)) => {
                let number = number.parse().map_err(|_| {
                    Problem::malformed(format!("`proposal={number}` names no proposal; give its number"))
                })?;
                proposing.number = Some(number);
            }
            _ => {
                return Err(Problem::malformed(format!(
                    "there is no push option `{option}`; there are `{NO_MERGE}` and, for proposals, `title=…`, `description=…` and `proposal=<number>`"
                )));
            }
        }
    }
    Ok((merging, proposing))
}

/// A pack of no objects: what a push that only deletes brings.
const EMPTY_PACK: &[u8] = b"PACK\0\0\0\x02\0\0\0\0";

fn answer(body: Bytes) -> Response {
    response(result_of(Service::Receive), Body::from(body))
}

fn inflow(headers: &HeaderMap, body: Body) -> Result<Inflow, Problem> {
    Inflow::new(headers, body).map_err(malformed)
}

fn malformed(error: InflowError) -> Problem {
    match error {
        InflowError::TooSlow => {
            Problem::new(axum::http::StatusCode::REQUEST_TIMEOUT, "too-slow", error.to_string())
        }
        error => Problem::malformed(error.to_string()),
    }
}

async fn place() -> Result<SemaphorePermit<'static>, Problem> {
    let place = timeout(PATIENCE, AT_ONCE.acquire()).await.ok().and_then(Result::ok);
    place.ok_or_else(|| Problem::busy("too many pushes are under way; try again"))
}

/// Tells the audit log who was refused.
fn note_refusal(app: &App, verdict: &Verdict, origin: &RequestOrigin) {
    if let Verdict::Refused(PushRefusal::Service(error)) = verdict {
        note_denied(app, error, origin);
    }
}

fn note_denied(app: &App, error: &ServiceError, origin: &RequestOrigin) {
    let trail = app.project.core().audit_trail();
    match error {
        ServiceError::Denied(denied) => trail.denied(denied, origin),
        ServiceError::Forbidden(refused) => trail.denied(&Denied::Forbidden(refused.clone()), origin),
        _ => {}
    }
}

/// What a client asks for before it sends its pack.
#[derive(Debug, Default)]
struct Asked {
    updates: Vec<RefUpdate>,
    options: Vec<String>,
    style: Style,
    is_atomic: bool,
    /// Whether a pack follows: where all refs go, none does.
    has_pack: bool,
}

impl Asked {
    async fn read(inflow: &mut Inflow) -> Result<Self, InflowError> {
        let mut asked = Asked::default();
        let mut has_options = false;
        let (mut names, mut bytes) = (HashSet::new(), 0);
        while let Some(line) = inflow.line().await? {
            bytes += line.len();
            if bytes > MOST_COMMAND_BYTES {
                return Err(InflowError::Malformed(format!(
                    "the commands are longer than {MOST_COMMAND_BYTES} bytes"
                )));
            }
            let (command, capabilities) = match line.iter().position(|byte| *byte == 0) {
                Some(end) => (&line[..end], Some(&line[end + 1..])),
                None => (&line[..], None),
            };
            if let Some(capabilities) = capabilities {
                for capability in String::from_utf8_lossy(capabilities).split_ascii_whitespace() {
                    match capability {
                        "report-status" if asked.style.report.is_none() => asked.style.report = Some(1),
                        "report-status-v2" => asked.style.report = Some(2),
                        "side-band-64k" => asked.style.has_bands = true,
                        "atomic" => asked.is_atomic = true,
                        "push-options" => has_options = true,
                        _ => {}
                    }
                }
            }
            let command = command.strip_suffix(b"\n").unwrap_or(command);
            // Where the history of a shallow clone ends: what is missing here is found missing anyway.
            if command.starts_with(b"shallow ") {
                continue;
            }
            let update = update(command)?;
            if !names.insert(update.name.clone()) {
                return Err(InflowError::Malformed(format!(
                    "{} is named twice; once is enough",
                    update.name
                )));
            }
            asked.updates.push(update);
            if asked.updates.len() > MOST_REF_UPDATES {
                let reason = format!("a push moves at most {MOST_REF_UPDATES} refs; push in several steps");
                return Err(InflowError::Malformed(reason));
            }
        }
        while has_options
            && !asked.updates.is_empty()
            && let Some(line) = inflow.line().await?
        {
            let option = String::from_utf8_lossy(&line);
            asked.options.push(option.trim_end_matches('\n').chars().take(200).collect());
            if asked.options.len() > MOST_OPTIONS {
                return Err(InflowError::Malformed(format!("a push has at most {MOST_OPTIONS} options")));
            }
        }
        asked.has_pack = asked.updates.iter().any(|update| update.new.is_some());
        Ok(asked)
    }
}

/// Reads `old new name`.
fn update(command: &[u8]) -> Result<RefUpdate, InflowError> {
    let malformed = || {
        let shown: String = String::from_utf8_lossy(command).chars().take(100).collect();
        InflowError::Malformed(format!("`{}` is no command of a push", shown.escape_debug()))
    };
    let text = std::str::from_utf8(command).map_err(|_| malformed())?;
    let mut parts = text.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    let id = |text: &str| text.parse::<ObjectId>().map_err(|_| malformed());
    if name.len() > MOST_NAME_BYTES {
        return Err(InflowError::Malformed(format!("a ref has a name of at most {MOST_NAME_BYTES} bytes")));
    }
    let (old, new) = (id(old)?, id(new)?);
    let given = |id: ObjectId| (!id.is_zero()).then_some(id);
    Ok(RefUpdate { name: name.to_owned(), old: given(old), new: given(new) })
}
